/** From pixels to image features, on a session that stays or that is loaded for each picture. */
import type { Tensor } from 'onnxruntime-common';
import { MclipError } from '../errors.js';
import { fromHalves, halfBits } from '../half.js';
import type { Session } from '../platform.js';
import { checkNumbers } from './check-numbers.js';
import type { VlmManifest } from './vlm-manifest.js';

export class VisionEncoder {
  readonly #manifest: VlmManifest;
  readonly #open: () => Promise<Session>;
  readonly #kept: Session | null;
  /** What the last run took, without loading, milliseconds. */
  lastRunMs = 0;

  private constructor(manifest: VlmManifest, open: () => Promise<Session>, kept: Session | null) {
    this.#manifest = manifest;
    this.#open = open;
    this.#kept = kept;
  }

  /** @param open makes a session @param stays false: one is made for each picture and freed after it */
  static async create(manifest: VlmManifest, open: () => Promise<Session>, stays: boolean): Promise<VisionEncoder> {
    return new VisionEncoder(manifest, open, stays ? await open() : null);
  }

  /** @param pixelValues [1, 3, size, size] @returns [tokens, hidden], in the order of the picture's patches */
  async features(pixelValues: Tensor, size: number): Promise<Float32Array> {
    const { graphs, image, decoder } = this.#manifest;
    const session = this.#kept ?? (await this.#open());
    try {
      const { input, output } = graphs.vision;
      const start = performance.now();
      const outputs = await session.run({ [input ?? session.inputNames[0]!]: pixelValues });
      this.lastRunMs = performance.now() - start;
      const { data, type } = outputs[output ?? session.outputNames[0]!]!;
      const expected = (size / image.patch) ** 2 * decoder.hidden;
      if (data.length !== expected) {
        throw new MclipError(
          'MODEL_CORRUPT',
          `The vision graph gave ${data.length} values at ${size} px, expected ${expected}.`,
        );
      }
      const features = new Float32Array(expected);
      if (type === 'float16') fromHalves(halfBits(data), features);
      else features.set(data as Float32Array);
      return checkNumbers(features, 'vision encoder');
    } finally {
      if (this.#kept === null) await session.release();
    }
  }

  async release(): Promise<void> {
    await this.#kept?.release();
  }
}
