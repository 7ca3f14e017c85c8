/** Formats of pictures besides those of image-header.ts. */
import type { Format } from './image-header.js';
import { startsAsSvg } from './starts-as-svg.js';

/** @param start the first 12 bytes as characters */
export function otherFormat(start: string, bytes: Uint8Array): Format {
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  if (start.startsWith('GIF8')) {
    return { format: 'gif', size: (view) => [view.getUint16(6, true), view.getUint16(8, true)] };
  }
  if (/^RIFF.{4}WEBP/s.test(start)) return { format: 'webp', size: (view) => webpSize(view, text(12, 16)) };
  if (start.startsWith('BM')) {
    return { format: 'bmp', size: (view) => [view.getInt32(18, true), Math.abs(view.getInt32(22, true))] };
  }
  if (/^.{4}ftypavi[fs]/s.test(start)) return { format: 'avif', size: (view) => avifSize(view, text(0, 4096)) };
  if (/^.{4}ftyp(hei|hev|mif1|msf1)/s.test(start)) return { format: 'heic' };
  return { format: startsAsSvg(bytes) ? 'svg' : 'unknown' };
}

function webpSize(view: DataView, chunk: string): [number, number] | null {
  if (chunk === 'VP8 ') return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
  if (chunk === 'VP8L') {
    const bits = view.getUint32(21, true);
    return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
  }
  if (chunk !== 'VP8X') return null;
  const uint24 = (at: number) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
  return [uint24(24) + 1, uint24(27) + 1];
}

/** The largest of the items: a picture may be made of tiles. */
function avifSize(view: DataView, text: string): [number, number] | null {
  let largest: [number, number] | null = null;
  for (const { index } of text.matchAll(/ispe/g)) {
    const size: [number, number] = [view.getUint32(index + 8), view.getUint32(index + 12)];
    if (largest === null || size[0] * size[1] > largest[0] * largest[1]) largest = size;
  }
  return largest;
}
