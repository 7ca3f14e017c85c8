/**
 * The resize of resize.ts on a picture that is read a strip at a time, from the top down, and never held whole: the same
 * bytes. Only where the WebAssembly kernel cannot run is all that is needed read at once.
 */
import { inputRange, type Range } from './kernel/job.js';
import { beginSimdResize } from './kernel/simd.js';
import type { PixelReader } from './pixel-reader.js';
import { copyWindow, type ResizePlan, resizeJob } from './resize-plan.js';
import type { RgbImage } from './rgb-image.js';

/** Read at a time: about what a core's cache holds. */
const STRIP_BYTES = 1 << 20;
/** Rows go through the kernel four at a time. */
const STRIP_MULTIPLE = 4;

/**
 * The pixels of the plan's window. Arguments are checked by the callers.
 * @throws the signal's reason
 */
export async function resizeParts(picture: PixelReader, plan: ResizePlan, signal?: AbortSignal): Promise<RgbImage> {
  const job = resizeJob(picture, plan);
  const { canvas } = job;
  const { width, height } = plan.window;
  const columns = inside(inputRange(job.horizontal, plan.window.x, width), canvas.left, picture.width);
  const rows = inside(inputRange(job.vertical, plan.window.y, height), canvas.top, picture.height);
  const needed = { x: columns.first, y: rows.first, width: columns.end - columns.first, height: rows.end - rows.first };
  const isCopy = job.horizontal === null && job.vertical === null;
  const resize = isCopy ? null : beginSimdResize(job);
  if (resize === null) {
    const part = await picture.read(needed);
    // the kernel that hardly any browser needs is not loaded by the others
    return {
      data: copyWindow(job, part) ?? (await import('./kernel/scalar.js')).resizeScalar(job, part),
      width,
      height,
    };
  }
  const stripRows = Math.max(
    Math.floor(STRIP_BYTES / (needed.width * picture.channels)) & ~(STRIP_MULTIPLE - 1),
    STRIP_MULTIPLE,
  );
  try {
    for (let { y } = needed; !resize.isDone(); y += stripRows) {
      signal?.throwIfAborted();
      resize.push(await picture.read({ ...needed, y, height: Math.min(stripRows, rows.end - y) }));
    }
  } finally {
    resize.close();
  }
  return { data: resize.result, width, height };
}

/** The rows or columns of the canvas that are the picture's, counted from its edge. */
function inside({ first, end }: Range, offset: number, length: number): Range {
  return { first: Math.max(first - offset, 0), end: Math.min(end - offset, length) };
}
