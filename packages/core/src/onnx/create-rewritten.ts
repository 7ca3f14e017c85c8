/** Of a file that is slow as it is the fastest session that onnxruntime takes. */
import { isReference } from '../model/device.js';
import type { RandomAccess, Session, SessionOptions } from '../platform.js';
import { createInStrips } from './create-in-strips.js';
import { createWidened } from './create-widened.js';
import { type CutFile, lastPositionOnly } from './last-position.js';
import type { Create } from './on-cpu.js';
import { isRefusal } from './refusal.js';

/** Bytes of a file that is read as a whole where it need not be, to be cut. */
const MOST_READ = 2 ** 30;

export async function createRewritten(
  options: SessionOptions,
  openFile: () => Promise<RandomAccess>,
  create: Create,
): Promise<Session> {
  const { lastOf, onNote } = options;
  if (lastOf === undefined) return inForm(options, openFile, create);
  const file = await openFile();
  try {
    const cut = file.size > MOST_READ ? null : await lastPositionOnly(file, lastOf);
    if (cut !== null) return await inForm(options, async () => cut.file, createOf(cut, create));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    onNote?.(`all positions computed: onnxruntime does not take the graph of the last (${error.message})`);
  } finally {
    await file.close();
  }
  return inForm(options, openFile, create);
}

const createOf =
  ({ file, externalFiles }: CutFile, create: Create): Create =>
  async (graph) =>
    create(graph ?? { graph: await file.bytes(), externalFiles });

async function inForm(
  options: SessionOptions,
  openFile: () => Promise<RandomAccess>,
  create: Create,
): Promise<Session> {
  const { device, dtype } = options;
  if (isReference(device) && (dtype === 'fp16' || dtype === 'q4f16')) return createWidened(options, openFile, create);
  return device === 'wasm' && dtype === 'q8' ? createInStrips(options, openFile, create) : create(null);
}
