/** Code of its own: a page with pictures at hand, and not as pixels, does without. */
import type { RawPixels } from './image/rgb-image.js';

export const request: typeof import('./store/request.js').request = (...args) =>
  import('./store/request.js').then((network) => network.request(...args));

export const rawReader = (pixels: RawPixels) =>
  import('./image/raw-reader.js').then((reader) => reader.rawReader(pixels));

export const detachWeights: typeof import('./onnx/detached-weights.js').detachWeights = (...args) =>
  import('./onnx/detached-weights.js').then((weights) => weights.detachWeights(...args));
