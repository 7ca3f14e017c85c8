/**
 * One run of the language model: embeddings of new tokens and the cache of all earlier ones in, the next token's
 * logits out, and the cache longer by them. Names, types and widths are those of the session, never assumed.
 */
import type { Tensor, TensorConstructor } from 'onnxruntime-common';
import { MclipError } from '../errors.js';
import { fromHalves, halfBits, toHalves } from '../half.js';
import { inputTensor } from '../input-tensor.js';
import type { Session } from '../platform.js';
import { checkNumbers } from './check-numbers.js';
import type { CacheLayout, FloatType, KvCache } from './kv-cache.js';
import { ReplacedCache } from './replaced-cache.js';
import type { VlmManifest } from './vlm-manifest.js';

/** Failures are thrown; onnxruntime need not print them, too. */
const QUIET = { logSeverityLevel: 4 } as const;

export class Decoder {
  readonly hidden: number;
  readonly #session: Session;
  readonly #embedsType: FloatType;
  readonly #wantsPositions: boolean;
  readonly #layout: CacheLayout;
  /** Ones as far as any mask needs; masks are views of it. */
  #ones = new BigInt64Array(0);

  /** @throws {MclipError} `MODEL_CORRUPT` when the graph is no decoder with a cache. */
  constructor(session: Session, config: VlmManifest['decoder']) {
    this.hidden = config.hidden;
    this.#session = session;
    this.#wantsPositions = session.inputNames.includes('position_ids');
    this.#embedsType = this.#typeOf('inputs_embeds');
    const pastOf = new Map<string, string>();
    for (const output of session.outputNames) {
      const input = output.replace(/^present(_key_values)?\./, 'past_key_values.');
      if (input !== output && session.inputNames.includes(input)) pastOf.set(output, input);
    }
    const names = ['inputs_embeds', 'attention_mask'].filter((name) => !session.inputNames.includes(name));
    if (!session.outputNames.includes('logits')) names.push('logits');
    if (names.length > 0 || pastOf.size !== 2 * config.layers) {
      throw new MclipError(
        'MODEL_CORRUPT',
        `The decoder graph lacks ${names.join(', ') || `a cache of ${config.layers} layers (it has ${pastOf.size / 2})`}.`,
      );
    }
    const { kvHeads, headDim } = config;
    this.#layout = { pastOf, type: this.#typeOf([...pastOf.values()][0]!), kvHeads, headDim };
  }

  /** Caches made from here on are written in place, if this graph and runtime can do that; whether they are. */
  async tryInPlace(OutputTensor: TensorConstructor): Promise<boolean> {
    const { cachesInPlace } = await import('./writes-in-place.js');
    const inPlace = await cachesInPlace(this, this.#layout, OutputTensor);
    if (inPlace !== null) this.emptyCache = inPlace;
    return inPlace !== null;
  }

  /** The caller's own. */
  emptyCache: () => KvCache = () => ReplacedCache.empty(this.#layout);

  /** Takes in tokens that need no answer yet. `embeds`: [tokens, hidden]. The cache grows by them. */
  async extend(embeds: Float32Array, cache: KvCache): Promise<void> {
    await this.#run(embeds, cache, {});
  }

  /** As `extend`, and the logits of the token that follows: one value per token of the vocabulary, the caller's own. */
  async next(embeds: Float32Array, cache: KvCache): Promise<Float32Array> {
    const { logits } = await this.#run(embeds, cache, { logits: null });
    return lastLogits(logits!);
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  async #run(embeds: Float32Array, cache: KvCache, wanted: Record<string, null>) {
    const count = embeds.length / this.hidden;
    const total = cache.length + count;
    if (this.#ones.length < total) this.#ones = new BigInt64Array(Math.max(512, total * 2)).fill(1n);
    const feeds: Record<string, Tensor> = {
      ...cache.inputs(count),
      inputs_embeds: floatTensor(this.#embedsType, embeds, [1, count, this.hidden]),
      attention_mask: inputTensor('int64', this.#ones.subarray(0, total), [1, total]),
    };
    if (this.#wantsPositions) {
      const positions = BigInt64Array.from({ length: count }, (_, index) => BigInt(cache.length + index));
      feeds.position_ids = inputTensor('int64', positions, [1, count]);
    }
    const outputs = await this.#session.run(feeds, { ...cache.outputs(), ...wanted }, QUIET);
    cache.grow(count, outputs);
    return outputs;
  }

  #typeOf(input: string): FloatType {
    const metadata = this.#session.inputMetadata.find(({ name }) => name === input);
    return metadata?.isTensor && metadata.type === 'float16' ? 'float16' : 'float32';
  }
}

function floatTensor(type: FloatType, values: Float32Array, dims: number[]): Tensor {
  if (type === 'float32') return inputTensor('float32', values, dims);
  return inputTensor('float16', toHalves(values), dims);
}

/** Graphs give the logits of all positions or of the last one only. */
function lastLogits({ data, dims, type }: Awaited<ReturnType<Session['run']>>[string]): Float32Array {
  const width = dims[dims.length - 1]!;
  if (type === 'float32') return checkNumbers((data as Float32Array).subarray(data.length - width), 'decoder');
  if (type !== 'float16') throw new MclipError('MODEL_CORRUPT', `The decoder's logits are ${type}.`);
  const logits = new Float32Array(width);
  fromHalves(halfBits(data).subarray(data.length - width), logits);
  return checkNumbers(logits, 'decoder');
}
