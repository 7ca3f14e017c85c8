/** One tower ready to run: what goes in, what comes out, and how many rows at once. */
import { MclipError } from '../errors.js';
import type { ManifestGraph } from '../model/manifest.js';
import type { DeviceName, Session } from '../platform.js';
import { l2Normalize } from './l2-normalize.js';

/** A session and the names of its one input and one output, found in the session and not assumed. */
export class LoadedGraph {
  readonly session: Session;
  readonly input: string;
  readonly device: DeviceName;
  readonly #output: string;
  /** Length of an embedding. */
  readonly dim: number;
  /** Rows per run when the graph was exported with a fixed batch, else null. */
  readonly fixedBatch: number | null;

  constructor(session: Session, { input, output }: ManifestGraph, dim: number, device: DeviceName) {
    this.device = device;
    this.session = session;
    this.input = pickName(session.inputNames, input, 'input');
    this.#output = pickName(session.outputNames, output, 'output');
    this.dim = dim;
    const metadata = session.inputMetadata.find(({ name }) => name === this.input);
    const batch = metadata?.isTensor ? metadata.shape[0] : undefined;
    this.fixedBatch = typeof batch === 'number' && batch > 0 ? batch : null;
  }

  /** Copies the embeddings out of a run's result and normalises each row: [rows, dim], flat. */
  unitVectors(outputs: Awaited<ReturnType<Session['run']>>, rows: number): Float32Array {
    const { data, type } = outputs[this.#output]!;
    const { dim } = this;
    if (type !== 'float32' || data.length !== rows * dim) {
      throw new MclipError(
        'MODEL_CORRUPT',
        `The graph's output '${this.#output}' is ${type} with ${data.length} values; expected float32 with ${rows} x ${dim}.`,
      );
    }
    const vectors = (data as Float32Array).slice();
    for (let start = 0; start < vectors.length; start += dim) {
      try {
        l2Normalize(vectors.subarray(start, start + dim));
      } catch (cause) {
        throw new MclipError('MODEL_CORRUPT', `The graph gave an embedding without direction (zero or NaN).`, {
          cause,
        });
      }
    }
    return vectors;
  }
}

function pickName(names: readonly string[], wanted: string | null, what: string): string {
  if (wanted !== null && names.includes(wanted)) return wanted;
  if (names.length === 1) return names[0]!;
  throw new MclipError(
    'MODEL_CORRUPT',
    `The graph has no ${what} '${wanted}', and its ${what}s (${names.join(', ')}) leave a choice.`,
  );
}
