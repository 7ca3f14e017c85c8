/**
 * One run of the language model: embeddings of new tokens and the cache of all earlier ones in, the next token's
 * logits and a longer cache out. Names, types and widths are those of the session, never assumed.
 */
import { Tensor, type TypedTensor } from 'onnxruntime-common';
import { MclipError } from '../errors.js';
import { fromHalves, halfBits, toHalves } from '../half.js';
import type { Session } from '../platform.js';
import { checkNumbers } from './check-numbers.js';
import type { VlmManifest } from './vlm-manifest.js';

/**
 * Keys and values of the tokens so far, [1, kvHeads, length, headDim] each. Never changed once made, so that several
 * generations may go on from one.
 */
export class KvCache {
  /** Tokens. */
  readonly length: number;
  /** By the name of the input that takes it. */
  readonly tensors: Readonly<Record<string, Tensor>>;

  constructor(length: number, tensors: Record<string, Tensor>) {
    this.length = length;
    this.tensors = tensors;
  }

  /** Frees what a GPU or the runtime holds. */
  dispose(): void {
    for (const tensor of Object.values(this.tensors)) tensor.dispose();
  }
}

type FloatType = 'float32' | 'float16';

export class Decoder {
  readonly hidden: number;
  readonly #session: Session;
  readonly #embedsType: FloatType;
  readonly #wantsPositions: boolean;
  /** present output -> past input. */
  readonly #pastOf: ReadonlyMap<string, string>;
  readonly #config: VlmManifest['decoder'];
  /** Ones as far as any mask needs; masks are views of it. */
  #ones = new BigInt64Array(0);

  /** @throws {MclipError} `MODEL_CORRUPT` when the graph is no decoder with a cache. */
  constructor(session: Session, config: VlmManifest['decoder']) {
    this.hidden = config.hidden;
    this.#session = session;
    this.#config = config;
    this.#wantsPositions = session.inputNames.includes('position_ids');
    this.#embedsType = this.#typeOf('inputs_embeds');
    const pastOf = new Map<string, string>();
    for (const output of session.outputNames) {
      const input = output.replace(/^present(_key_values)?\./, 'past_key_values.');
      if (input !== output && session.inputNames.includes(input)) pastOf.set(output, input);
    }
    this.#pastOf = pastOf;
    const names = ['inputs_embeds', 'attention_mask'].filter((name) => !session.inputNames.includes(name));
    if (!session.outputNames.includes('logits')) names.push('logits');
    if (names.length > 0 || pastOf.size !== 2 * config.layers) {
      throw new MclipError(
        'MODEL_CORRUPT',
        `The decoder graph lacks ${names.join(', ') || `a cache of ${config.layers} layers (it has ${pastOf.size / 2})`}.`,
      );
    }
  }

  emptyCache(): KvCache {
    const { kvHeads, headDim } = this.#config;
    const tensors: Record<string, Tensor> = {};
    for (const input of this.#pastOf.values()) {
      tensors[input] = floatTensor(this.#typeOf(input), new Float32Array(0), [1, kvHeads, 0, headDim]);
    }
    return new KvCache(0, tensors);
  }

  /** Takes in tokens that need no answer yet. `embeds`: [tokens, hidden]. The cache given stays valid. */
  async extend(embeds: Float32Array, cache: KvCache): Promise<KvCache> {
    const outputs = await this.#session.run(this.#feeds(embeds, cache), [...this.#pastOf.keys()]);
    return this.#longerCache(outputs, cache.length + embeds.length / this.hidden);
  }

  /** As `extend`, and the logits of the token that follows: one value per token of the vocabulary, the caller's own. */
  async next(embeds: Float32Array, cache: KvCache): Promise<{ logits: Float32Array; cache: KvCache }> {
    const outputs = await this.#session.run(this.#feeds(embeds, cache));
    const longer = this.#longerCache(outputs, cache.length + embeds.length / this.hidden);
    return { logits: lastLogits(outputs.logits!), cache: longer };
  }

  release(): Promise<void> {
    return this.#session.release();
  }

  #feeds(embeds: Float32Array, cache: KvCache): Record<string, Tensor> {
    const count = embeds.length / this.hidden;
    const total = cache.length + count;
    if (this.#ones.length < total) this.#ones = new BigInt64Array(Math.max(512, total * 2)).fill(1n);
    const feeds: Record<string, Tensor> = {
      ...cache.tensors,
      inputs_embeds: floatTensor(this.#embedsType, embeds, [1, count, this.hidden]),
      attention_mask: new Tensor('int64', this.#ones.subarray(0, total), [1, total]),
    };
    if (this.#wantsPositions) {
      const positions = BigInt64Array.from({ length: count }, (_, index) => BigInt(cache.length + index));
      feeds.position_ids = new Tensor('int64', positions, [1, count]);
    }
    return feeds;
  }

  #longerCache(outputs: Awaited<ReturnType<Session['run']>>, length: number): KvCache {
    const tensors: Record<string, Tensor> = {};
    for (const [output, input] of this.#pastOf) tensors[input] = outputs[output] as Tensor;
    return new KvCache(length, tensors);
  }

  #typeOf(input: string): FloatType {
    const metadata = this.#session.inputMetadata.find(({ name }) => name === input);
    return metadata?.isTensor && metadata.type === 'float16' ? 'float16' : 'float32';
  }
}

function floatTensor(type: FloatType, values: Float32Array, dims: number[]): Tensor {
  if (type === 'float32') return new Tensor('float32', values, dims);
  return new Tensor('float16', toHalves(values), dims) as TypedTensor<'float16'>;
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
