/**
 * What the first bytes of an encoded picture say: its format and, for the common ones, its size before orientation.
 * Nothing is decoded. Sizes are claims of the file, used to refuse pictures that would not fit in memory. JPEG and PNG are
 * here, the others come when they are met.
 */

export interface ImageHeader {
  /** 'unknown' for anything else, which the browser may still decode. */
  format: 'png' | 'jpeg' | 'gif' | 'webp' | 'bmp' | 'avif' | 'heic' | 'svg' | 'unknown';
  /** Pixels; null when the bytes at hand do not say. */
  size: { width: number; height: number } | null;
}

/** A format, and where its size is; throws when the file ends before it. */
export interface Format {
  format: ImageHeader['format'];
  size?(view: DataView): [width: number, height: number] | null;
}

/** Bytes to read: a JPEG's size comes after its metadata and embedded thumbnail. */
export const HEADER_BYTES = 1 << 18;

export async function readImageHeader(bytes: Uint8Array): Promise<ImageHeader> {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  const { format, size } = commonFormat(start) ?? (await import('./other-formats.js')).otherFormat(start, bytes);
  try {
    const [width, height] = size?.(new DataView(bytes.buffer, bytes.byteOffset, bytes.length)) ?? [0, 0];
    return { format, size: width > 0 && height > 0 ? { width, height } : null };
  } catch {
    return { format, size: null };
  }
}

function commonFormat(start: string): Format | null {
  if (start.startsWith('\xff\xd8\xff')) return { format: 'jpeg', size: jpegSize };
  if (start.startsWith('\x89PNG')) return { format: 'png', size: (view) => [view.getUint32(16), view.getUint32(20)] };
  return null;
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
