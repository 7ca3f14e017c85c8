/**
 * Pixels of frames and bitmaps without a canvas: `VideoFrame.copyTo` converts to RGBA and copies only what is asked for,
 * several times faster. Gives way (null) to what it would not copy as it is shown: turned, not opaque, stretched.
 */
import type { PixelReader } from '@mclip/core/adapter';

export type Drawable = ImageBitmap | VideoFrame;

/** Newer than TypeScript's DOM library. */
type Turned = { rotation?: number; flip?: boolean };
const RGBA = { format: 'RGBA', colorSpace: 'srgb' } as VideoFrameCopyToOptions;

export async function frameReader(image: Drawable): Promise<PixelReader | null> {
  canCopy ??= probe();
  if (!(await canCopy)) return null;
  const own = 'displayWidth' in image ? null : frameOf(image);
  const frame = own ?? image;
  if (!('displayWidth' in frame) || !isPlain(frame)) {
    own?.close();
    return null;
  }
  const { displayWidth: width, displayHeight: height } = frame;
  const { x: left, y: top } = frame.visibleRect!;
  let buffer = new Uint8Array(0);
  return {
    width,
    height,
    channels: 4,
    async read(wanted) {
      // colours may be stored for 2 x 2 pixels: parts begin at even ones
      const x = (left + wanted.x) & ~1;
      const y = (top + wanted.y) & ~1;
      const rect = { x, y, width: left + wanted.x + wanted.width - x, height: top + wanted.y + wanted.height - y };
      const bytes = rect.width * rect.height * 4;
      if (buffer.length < bytes) buffer = new Uint8Array(bytes);
      await frame.copyTo(buffer, { ...RGBA, rect });
      return { ...rect, x: x - left, y: y - top, data: buffer, channels: 4 };
    },
    close: () => own?.close(),
  };
}

/** Null where the bitmap is of another origin, or closed. */
function frameOf(bitmap: ImageBitmap): VideoFrame | null {
  try {
    return new VideoFrame(bitmap, { timestamp: 0 });
  } catch {
    return null;
  }
}

function isPlain(frame: VideoFrame): boolean {
  const { format, visibleRect, displayWidth, displayHeight, rotation, flip } = frame as VideoFrame & Turned;
  const opaque = format !== null && !format.endsWith('A');
  return opaque && !rotation && !flip && visibleRect!.width === displayWidth && visibleRect!.height === displayHeight;
}

let canCopy: Promise<boolean> | undefined;

/** Browsers with an older WebCodecs copy in the frame's own format whatever is asked for, or have none. */
async function probe(): Promise<boolean> {
  try {
    const size = { codedWidth: 2, codedHeight: 2 };
    // opaque: Chromium divides by the byte that is not used, too
    const frame = new VideoFrame(new Uint8Array(16).fill(255).fill(9, 0, 1), { format: 'BGRX', timestamp: 0, ...size });
    const copy = new Uint8Array(16);
    await frame.copyTo(copy, RGBA);
    frame.close();
    return copy[0] === 255 && copy[2] === 9;
  } catch {
    return false;
  }
}
