/** What is to be resized, and the work that it makes for the kernels. */
import { coefficients, type Interpolation } from './coefficients.js';
import type { Placement, Size } from './geometry.js';
import { copyCanvasRow, type ResizeJob } from './kernel/job.js';
import type { PixelPart, PixelReader } from './pixel-reader.js';
import type { Region } from './region.js';

/** The picture on a larger surface of one colour. */
export interface Surround {
  readonly placement: Placement;
  readonly fill: readonly [number, number, number];
}

/** A part of a picture, on a larger surface or not, resized. */
export interface ResizePlan {
  /** Of the whole resized surface. */
  readonly size: Size;
  /** What is wanted of it; only that is computed. */
  readonly window: Region;
  readonly interpolation: Interpolation;
  readonly surround?: Surround;
}

/** The work for the kernels. */
export function resizeJob(
  { width, height, channels }: Pick<PixelReader, 'width' | 'height' | 'channels'>,
  { size, window, interpolation, surround }: ResizePlan,
): ResizeJob {
  const image = { width, height };
  const canvas = surround?.placement ?? { ...image, left: 0, top: 0 };
  const fill = surround?.fill ?? [0, 0, 0];
  const horizontal = canvas.width === size.width ? null : coefficients(canvas.width, size.width, interpolation);
  const vertical = canvas.height === size.height ? null : coefficients(canvas.height, size.height, interpolation);
  const verticalFirst = isVerticalFirst(canvas, size);
  return {
    image,
    channels: horizontal === null ? 3 : channels,
    canvas,
    fill,
    horizontal,
    vertical,
    verticalFirst,
    window,
  };
}

/**
 * Whether Pillow does the vertical pass first: when the height loses more than twice what the width loses, as that of
 * a phone's screenshot (1080x2400) does. Since Pillow 13; older ones begin with the horizontal pass, and then differ
 * from these bytes by a level here and there.
 */
function isVerticalFirst(from: Size, to: Size): boolean {
  return to.height < from.height && from.height - to.height > 2 * (from.width - to.width);
}

/** A window that only has to be copied, else null. */
export function copyWindow(job: ResizeJob, part: PixelPart): Uint8Array | null {
  if (job.horizontal !== null || job.vertical !== null) return null;
  const { x, y, width, height } = job.window;
  const output = new Uint8Array(width * height * 3);
  const columns = { first: x, end: x + width };
  for (let i = 0; i < height; i++) copyCanvasRow(job, part, y + i, columns, output, i * width * 3);
  return output;
}
