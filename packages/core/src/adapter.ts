/** What an adapter builds on: the contract it fulfils, and the pieces it hands data to. Not for applications. */
export { raceSignal } from './abort.js';
export { serveClipEncoder } from './clip/serve-encoder.js';
export { newestFrames } from './clip/watch.js';
export type { ResolvedSettings } from './configure.js';
export { resolveSettings } from './configure.js';
export { MclipError } from './errors.js';
export { type PixelPart, type PixelReader, rawReader } from './image/pixel-reader.js';
export { checkPixelCount, portablePixels } from './image/portable-pixels.js';
export { checkRegion, type RawPixels, type Region } from './image/rgb-image.js';
export { availability } from './model/availability.js';
export { inSinglePrecision } from './onnx/on-cpu.js';
export type * from './platform.js';
export type * from './store/backend.js';
export { modelStore } from './store/model-store.js';
export { isFetching, storedModels } from './store/models.js';
export type { Network } from './store/request.js';
export { serveVlmEngine } from './vlm/serve-engine.js';
export type { ServerPort } from './worker/channel.js';

/** Code of its own: a page with pictures at hand does without. */
export const request: typeof import('./store/request.js').request = async (...args) =>
  (await import('./store/request.js')).request(...args);
