/** Of a half-precision file the fastest session that onnxruntime takes: of the widened graph, else of the file. */
import type { RandomAccess, Session, SessionOptions } from '../platform.js';
import { halfTower } from './half-tower.js';
import type { Create } from './on-cpu.js';
import { isRefusal } from './refusal.js';
import { IS_SINGLE, toSinglePrecision } from './single-precision.js';

export async function createWidened(
  { dtype, onNote }: SessionOptions,
  openFile: () => Promise<RandomAccess>,
  create: Create,
): Promise<Session> {
  let widened = await widenedOf(await openFile());
  let why = 'unchanged' in widened ? widened.unchanged : null;
  if ('graph' in widened) {
    try {
      const session = await create(widened);
      onNote?.(`${dtype} computed as fp32`);
      return session;
    } catch (error) {
      if (!isRefusal(error)) throw error;
      why = `onnxruntime does not take it as fp32 (${error.message})`;
      widened = { unchanged: why }; // its memory is not needed any more
    }
  }
  const session = await create(null);
  if (why === IS_SINGLE) onNote?.(`${dtype} computed as fp32`);
  else onNote?.(`${dtype} as it is, which is slower: ${why}`);
  return halfTower(session);
}

async function widenedOf(file: RandomAccess) {
  try {
    return await toSinglePrecision(file);
  } finally {
    await file.close();
  }
}
