/** The text tower with its tokenizer: from texts to embeddings. */
import type { TypedTensor } from 'onnxruntime-common';
import { inputTensor } from '../input-tensor.js';
import type { ClipTokenizer } from '../text/clip-tokenizer.js';
import { loadClipTokenizer } from '../text/load-clip-tokenizer.js';
import type { LoadedGraph } from './loaded-graph.js';

/** @param tokenizerJson contents of a tokenizer.json; null: the bundled vocabulary */
export async function openTower(tokenizerJson: string | null): Promise<(graph: LoadedGraph) => TextTower> {
  const tokenizer = await (tokenizerJson === null ? loadClipTokenizer() : givenTokenizer(tokenizerJson));
  return (graph) => new TextTower(graph, tokenizer);
}

async function givenTokenizer(json: string): Promise<ClipTokenizer> {
  const { ClipTokenizer } = await import('../text/clip-tokenizer.js');
  return ClipTokenizer.fromJSON(json);
}

export class TextTower {
  readonly graph: LoadedGraph;
  readonly #tokenizer: ClipTokenizer;

  constructor(graph: LoadedGraph, tokenizer: ClipTokenizer) {
    this.graph = graph;
    this.#tokenizer = tokenizer;
  }

  /** Token ids as the graph takes them, [rows, contextLength]; rows beyond the texts are those of ''. */
  input(texts: string[], rows: number): TypedTensor<'int64'> {
    const { contextLength } = this.#tokenizer;
    const inputIds = new BigInt64Array(rows * contextLength);
    for (let row = 0; row < rows; row++) this.#tokenizer.encodeInto(texts[row] ?? '', inputIds, row * contextLength);
    return inputTensor('int64', inputIds, [rows, contextLength]);
  }

  /**
   * Flat [texts, dim], in one run where the graph takes any number of rows.
   *
   * @param run [rows, contextLength] -> [rows, dim], flat
   */
  async encode(
    texts: string[],
    run: (input: TypedTensor<'int64'>, rows: number) => Promise<Float32Array>,
  ): Promise<Float32Array> {
    const rows = this.graph.fixedBatch ?? texts.length;
    const { dim } = this.graph;
    const embeddings = new Float32Array(texts.length * dim);
    for (let start = 0; start < texts.length; start += rows) {
      const chunk = texts.slice(start, start + rows);
      const vectors = await run(this.input(chunk, rows), rows);
      embeddings.set(vectors.subarray(0, chunk.length * dim), start * dim);
    }
    return embeddings;
  }
}
