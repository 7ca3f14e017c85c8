/** Videos on Node.js: any async iterable of images, for instance frames that a camera process writes. */
import { MclipError } from '@mclip/core';
import { type FrameSource, newestFrames } from '@mclip/core/adapter';

export function openFrames(video: unknown): FrameSource {
  if (typeof video === 'object' && video !== null && Symbol.asyncIterator in video) {
    return newestFrames(video as AsyncIterable<unknown>);
  }
  throw new MclipError('INVALID_ARGUMENT', `watch() takes an async iterable of images here, got ${typeof video}.`);
}
