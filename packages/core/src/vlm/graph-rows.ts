/** Embeddings of models that have them as a graph only: read out of its file where that is possible, else by running it. */
import { MclipError } from '../errors.js';
import { fromHalves, halfBits } from '../half.js';
import { inputTensor } from '../input-tensor.js';
import type { ModelFile, Runtime, Session, SessionOptions } from '../platform.js';
import { type EmbeddingRows, tableRows } from './embedding-rows.js';
import { findOnnxTable } from './onnx-table.js';

export async function openGraphRows(
  runtime: Runtime,
  hidden: number,
  graph: ModelFile,
  options: SessionOptions,
): Promise<EmbeddingRows> {
  const file = await runtime.openFile(graph);
  const layout = await findOnnxTable(file, hidden).catch(async (error) => {
    await file.close();
    throw error;
  });
  if (layout !== null) return tableRows(file, layout);
  await file.close();
  return new GraphRows(await runtime.createSession(graph, options), hidden);
}

/** Rows by running a graph, for tables in a form that cannot be read directly. */
export class GraphRows implements EmbeddingRows {
  readonly #session: Session;
  readonly #hidden: number;

  constructor(session: Session, hidden: number) {
    this.#session = session;
    this.#hidden = hidden;
  }

  async read(ids: readonly number[], target: Float32Array, firstRow: number): Promise<void> {
    const inputIds = inputTensor('int64', BigInt64Array.from(ids, BigInt), [1, ids.length]);
    const outputs = await this.#session.run({ [this.#session.inputNames[0]!]: inputIds });
    const { data, type } = outputs[this.#session.outputNames[0]!]!;
    if (data.length !== ids.length * this.#hidden) {
      throw new MclipError('MODEL_CORRUPT', `The embed graph gave ${data.length} values for ${ids.length} tokens.`);
    }
    if (type === 'float16') fromHalves(halfBits(data), target, firstRow * this.#hidden);
    else target.set(data as Float32Array, firstRow * this.#hidden);
  }

  dispose(): Promise<void> {
    return this.#session.release();
  }
}
