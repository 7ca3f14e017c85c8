/** Which form of the decoder this machine is quicker with: one matrix product in each, timed once and remembered. */
import { inputTensor } from '../input-tensor.js';
import type { Runtime, SessionOptions } from '../platform.js';
import { type ProductForm, productGraph } from './product-graph.js';

const WIDTH = 896;
const COLUMNS = 32_768;
/** A caption of 30 tokens on a prompt of 280: as many steps of one row, and the prompt's rows. */
const STEPS = 30;
const PROMPT = 280;
const PROMPT_ROWS = 56;
const ROUNDS = 5;
/** A decoder's weights come from memory for every token, since no cache holds them all; writing as much as this sees to it. */
const LARGER_THAN_CACHES = 2 ** 27;

/** Milliseconds of such a caption, if it were this product alone. */
export type KernelSpeed = Record<ProductForm, number>;

export async function kernelSpeed(runtime: Runtime, options: SessionOptions): Promise<KernelSpeed> {
  const other = new Uint8Array(LARGER_THAN_CACHES);
  const emptyCaches = () => void other.fill(other[0] + 1);
  return {
    q8: await captionTime(runtime, options, 'q8', emptyCaches),
    q4: await captionTime(runtime, options, 'q4', emptyCaches),
  };
}

async function captionTime(
  runtime: Runtime,
  options: SessionOptions,
  form: ProductForm,
  emptyCaches: () => void,
): Promise<number> {
  const session = await runtime.createSession(productGraph(form, WIDTH, COLUMNS), options);
  const run = async (rows: number) => {
    const values = Float32Array.from({ length: rows * WIDTH }, (_, index) => (index % 17) - 8);
    const x = inputTensor('float32', values, [rows, WIDTH]);
    let best = Infinity; // what else runs on the machine only ever adds
    for (let round = 0; round < ROUNDS; round++) {
      emptyCaches();
      const start = performance.now();
      await session.run({ x });
      best = Math.min(best, performance.now() - start);
    }
    return best;
  };
  try {
    return STEPS * (await run(1)) + (PROMPT / PROMPT_ROWS) * (await run(PROMPT_ROWS));
  } finally {
    await session.release();
  }
}
