/** Parts of pictures. */
import { invalid, shown } from '../errors.js';
import type { PixelReader } from './pixel-reader.js';

/** A rectangle in pixels of the picture it belongs to; `x`, `y` is its top left. */
export interface Region {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Throws `INVALID_ARGUMENT` unless `region` lies inside a picture of `width` x `height` pixels. */
export function checkRegion(region: Region, width: number, height: number): void {
  if (typeof region !== 'object' || region === null) throw invalid(`Expected a region, got ${shown(region)}.`);
  const { x, y, width: w, height: h } = region;
  const whole = [x, y, w, h].every(Number.isInteger);
  if (!whole || x < 0 || y < 0 || w < 1 || h < 1 || x + w > width || y + h > height) {
    const got = `{ x: ${shown(x)}, y: ${shown(y)}, width: ${shown(w)}, height: ${shown(h)} }`;
    throw invalid(`Expected a region of whole pixels inside the ${width}x${height} image, got ${got}.`);
  }
}

/** The region as a picture of its own. */
export function regionReader(picture: PixelReader, region: Region): PixelReader {
  checkRegion(region, picture.width, picture.height);
  const { x: left, y: top, width, height } = region;
  return {
    width,
    height,
    channels: picture.channels,
    async read({ x, y, ...size }) {
      const part = await picture.read({ x: x + left, y: y + top, ...size });
      return { ...part, x: part.x - left, y: part.y - top };
    },
  };
}
