/** The platform of Node with a second device, 'cuda', whose sessions are real ones on the CPU, spoilt as a test asks. */
import type { Platform, Session } from '@mclip/core/adapter';
import { nodePlatform } from '../../src/platform.js';
import { nodeRuntime } from '../../src/runtime.js';

type Outputs = Awaited<ReturnType<Session['run']>>;

/**
 * What a device does to the outputs of a run; `run` counts its runs since the platform was made, from 1. Throwing is
 * allowed.
 */
export type Spoil = (outputs: Outputs, run: number) => Outputs;

export interface OtherDevice {
  platform: Platform;
  /** Devices that sessions were made on, in order. */
  sessions: string[];
  /** Sessions that are not released yet. */
  open(): number;
}

/** @param store what is kept between processes; give the same to a second platform to start anew on the same machine */
export function otherDevice(spoil: Spoil, store = new Map<string, Float32Array>()): OtherDevice {
  const sessions: string[] = [];
  let open = 0;
  let runs = 0;
  const platform: Platform = {
    ...nodePlatform,
    autoDevices: () => ['cuda', 'cpu'],
    loadRuntime: async () => ({
      ...nodeRuntime,
      async createSession(file, options) {
        const session = await nodeRuntime.createSession(file, { ...options, device: 'cpu' });
        const { device } = options;
        sessions.push(device);
        open++;
        const { inputNames, outputNames, inputMetadata } = session;
        return {
          inputNames,
          outputNames,
          inputMetadata,
          run: (async (...args: Parameters<Session['run']>) => {
            const outputs = await session.run(...args);
            return device === 'cuda' ? spoil(outputs, ++runs) : outputs;
          }) as Session['run'],
          async release() {
            open--;
            await session.release();
          },
        };
      },
    }),
    readEmbeddings: async (keys) => keys.map((key) => store.get(key) ?? null),
    async writeEmbeddings(entries) {
      for (const [key, value] of entries) store.set(key, value);
    },
  };
  return { platform, sessions, open: () => open };
}

/** Every float of the outputs replaced. */
export function replaced(outputs: Outputs, value: (index: number) => number): Outputs {
  return Object.fromEntries(
    Object.entries(outputs).map(([name, { type, data, dims }]) => [
      name,
      { type, dims, data: Float32Array.from(data as Float32Array, (_, index) => value(index)), dispose() {} },
    ]),
  ) as unknown as Outputs;
}

/** Numbers that have nothing to do with the input. */
export const noise: Spoil = (outputs) => replaced(outputs, (index) => Math.sin((index + 1) * 12.9898) * 2);
export const notANumber: Spoil = (outputs) => replaced(outputs, () => NaN);
