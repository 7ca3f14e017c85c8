/** Runs that ended with what computed them become `DEVICE_LOST`. */
import { MclipError } from '@mclip/core/adapter';

/** Around each run of a session. */
export type Guard = <T>(run: () => Promise<T>) => Promise<T>;

export const lostWhileRunning = (device: string, why: string, cause?: unknown) =>
  new MclipError('DEVICE_LOST', `Device '${device}' was lost while running: ${why}`, { cause });

export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
