/**
 * What the first bytes of an encoded picture say: its format and, for the common ones, its size before orientation.
 * Nothing is decoded. Sizes are claims of the file, used to refuse pictures that would not fit in memory.
 */

export interface ImageHeader {
  /** 'unknown' for anything else, which the browser may still decode. */
  format: 'png' | 'jpeg' | 'gif' | 'webp' | 'bmp' | 'avif' | 'heic' | 'svg' | 'unknown';
  /** Pixels; null when the bytes at hand do not say. */
  size: { width: number; height: number } | null;
}

/** Bytes to read: a JPEG's size comes after its metadata and embedded thumbnail. */
export const HEADER_BYTES = 1 << 18;

export function readImageHeader(bytes: Uint8Array): ImageHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  const header = (format: ImageHeader['format'], size: () => [number, number] | null = () => null): ImageHeader => {
    try {
      const [width, height] = size() ?? [0, 0];
      return { format, size: width > 0 && height > 0 ? { width, height } : null };
    } catch {
      return { format, size: null }; // the file ends before its size
    }
  };
  const start = text(0, 12);
  if (start.startsWith('\x89PNG')) return header('png', () => [view.getUint32(16), view.getUint32(20)]);
  if (start.startsWith('\xff\xd8\xff')) return header('jpeg', () => jpegSize(view));
  if (start.startsWith('GIF8')) return header('gif', () => [view.getUint16(6, true), view.getUint16(8, true)]);
  if (/^RIFF.{4}WEBP/s.test(start)) return header('webp', () => webpSize(view, text(12, 16)));
  if (start.startsWith('BM')) return header('bmp', () => [view.getInt32(18, true), Math.abs(view.getInt32(22, true))]);
  if (/^.{4}ftypavi[fs]/s.test(start)) return header('avif', () => avifSize(view, text(0, 4096)));
  if (/^.{4}ftyp(hei|hev|mif1|msf1)/s.test(start)) return header('heic');
  if (startsAsSvg(bytes)) return header('svg');
  return header('unknown');
}

/** SVG, or another XML file. */
export function startsAsSvg(bytes: Uint8Array): boolean {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  return /^\s*(\ufeff|\xef\xbb\xbf)?<(\?xml|!--|!DOCTYPE svg|svg)/i.test(start);
}

/** From the frame header (SOF0 to SOF15, which leaves out tables C4, C8 and CC). */
function jpegSize(view: DataView): [number, number] | null {
  for (let at = 2; ; ) {
    while (view.getUint8(at) === 0xff && view.getUint8(at + 1) === 0xff) at++; // fill bytes
    if (view.getUint8(at) !== 0xff) return null;
    const marker = view.getUint8(at + 1);
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return [view.getUint16(at + 7), view.getUint16(at + 5)];
    }
    if (marker === 0xda) return null; // pixels begin
    at += 2 + view.getUint16(at + 2);
  }
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
