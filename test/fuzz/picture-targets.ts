/** Damaged pictures through Node.js' decoder and the browser's header reader; pixels and regions of every kind. */
import fc from 'fast-check';
import sharp from 'sharp';
import { resolveSettings } from '../../packages/core/src/configure.js';
import type { PixelReader } from '../../packages/core/src/image/pixel-reader.js';
import { rgbFromPixels } from '../../packages/core/src/image/rgb-from-pixels.js';
import type { Region, RgbImage } from '../../packages/core/src/index.js';
import { cropRegion } from '../../packages/core/test/image/picture.js';
import { decodeImage } from '../../packages/node/src/decode-image.js';
import { portableImage } from '../../packages/node/src/image-source.js';
import { readImageHeader } from '../../packages/web/src/image-header.js';
import { damaged } from './mutations.js';
import type { Target } from './outcome.js';

/** Small, so that what passes decodes in a moment, and larger ones are seen to be refused. */
const MAX_PIXELS = 1 << 20;

const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10" viewBox="0 0 20 10"><rect width="9" height="9" fill="red"/></svg>';

export async function pictureTargets(): Promise<Target<never>[]> {
  const picture = () =>
    sharp(Buffer.from(Uint8Array.from({ length: 31 * 17 * 3 }, (_, i) => (i * 7919) % 251)), {
      raw: { width: 31, height: 17, channels: 3 },
    });
  const bytes = async (made: Promise<Buffer>) => Uint8Array.from(await made);
  const files = await Promise.all([
    bytes(picture().png().toBuffer()),
    bytes(picture().png({ palette: true }).toBuffer()),
    bytes(picture().jpeg().toBuffer()),
    bytes(picture().withMetadata({ orientation: 6 }).jpeg({ progressive: true }).toBuffer()),
    bytes(picture().webp().toBuffer()),
    bytes(picture().webp({ lossless: true }).toBuffer()),
    bytes(picture().gif().toBuffer()),
    bytes(picture().tiff().toBuffer()),
    bytes(picture().avif({ effort: 0 }).toBuffer()),
    Promise.resolve(new TextEncoder().encode(SVG)),
  ]);
  const decoding: Target<Uint8Array> = {
    name: 'pictures through sharp',
    share: 200,
    inputs: damaged(files),
    use: async (file) => checkReader(await decodeImage({ kind: 'bytes', bytes: file }, { maxPixels: MAX_PIXELS })),
  };
  const headers: Target<Uint8Array> = {
    name: 'picture headers in the browser',
    share: 150,
    inputs: damaged(files),
    async use(file) {
      const { size } = await readImageHeader(file);
      if (size !== null && !(size.width > 0 && size.height > 0)) throw new Error(`size ${JSON.stringify(size)}`);
    },
  };
  const number = fc.oneof(
    fc.integer({ min: -2, max: 40 }),
    fc.constantFrom(0.5, Number.NaN, Infinity, 2 ** 40, '3', null),
  );
  const data = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.uint8Array({ maxLength: 400 }).map((array) => Uint8ClampedArray.from(array)),
    fc.float32Array({ maxLength: 20 }),
    fc.array(fc.nat(255), { maxLength: 12 }),
    fc.constantFrom(null, undefined, 'pixels', new ArrayBuffer(12)),
  );
  const loose = fc.record({ data, width: number, height: number, channels: number }, { requiredKeys: ['data'] });
  const right = fc
    .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.constantFrom(1, 3, 4))
    .map(([width, height, channels]) => ({ data: new Uint8Array(width * height * channels), width, height, channels }));
  const region = fc.oneof(
    fc.record({ x: number, y: number, width: number, height: number }, { requiredKeys: [] }),
    fc.anything({ maxDepth: 1 }),
  );
  const whole = fc.oneof(right, loose, fc.anything({ maxDepth: 2 }));
  const settings = resolveSettings({ maxPixels: MAX_PIXELS, offline: true });
  const pixels: Target<unknown> = {
    name: 'pixels and regions',
    share: 150,
    inputs: fc.oneof(whole, fc.record({ image: whole, region })).filter((image) => !namesFile(image)),
    async use(image) {
      const { source, region } = await portableImage(image, { settings });
      if (source.kind !== 'pixels') return;
      const rgb = rgbFromPixels(source as Parameters<typeof rgbFromPixels>[0]);
      checkRgb(region === undefined ? rgb : cropRegion(rgb, region as Region));
    },
  };
  return [decoding, headers, pixels] as unknown as Target<never>[];
}

/** Paths and URLs are another matter, and encoded bytes are the first target's. */
function namesFile(image: unknown): boolean {
  if (typeof image === 'string' || image instanceof Uint8Array || image instanceof ArrayBuffer) return true;
  return typeof image === 'object' && image !== null && 'image' in image && namesFile(image.image);
}

/** All of it at once. */
async function checkReader({ width, height, channels, read }: PixelReader): Promise<void> {
  const { data, ...part } = await read({ x: 0, y: 0, width, height });
  if (part.width !== width || part.height !== height || part.channels !== channels) {
    throw new Error(`${JSON.stringify(part)} of ${width}x${height}x${channels}`);
  }
  if (data.length !== width * height * channels || !(width * height <= MAX_PIXELS)) {
    throw new Error(`${data.length} bytes for ${width}x${height}x${channels}`);
  }
}

function checkRgb({ data, width, height }: RgbImage): void {
  if (data.length !== width * height * 3 || !(width * height <= MAX_PIXELS)) {
    throw new Error(`${data.length} bytes for ${width}x${height}`);
  }
}
