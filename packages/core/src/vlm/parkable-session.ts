import type { Session } from '../platform.js';

/** A session that can be put out of memory. Its next run brings it back. Runs and `park` must not overlap. */
export interface ParkableSession extends Session {
  park(): Promise<void>;
}

export async function parkableSession(create: () => Promise<Session>): Promise<ParkableSession> {
  let session: Session | null = await create();
  const { inputNames, outputNames, inputMetadata } = session;
  const park = async () => {
    const parked = session;
    session = null;
    await parked?.release();
  };
  const run = async (...args: Parameters<Session['run']>) => {
    session ??= await create();
    return session.run(...args);
  };
  return { inputNames, outputNames, inputMetadata, run: run as Session['run'], park, release: park };
}
