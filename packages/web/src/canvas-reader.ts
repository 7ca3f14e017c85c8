/** Pixels of frames and bitmaps through a canvas, on white: works in every browser and shows them as they are meant. */
import { MclipError, type PixelReader, type Region } from '@mclip/core/adapter';
import type { Drawable } from './frame-reader.js';

type Context = OffscreenCanvasRenderingContext2D;

/** Canvases have a largest edge. */
const TILE_EDGE = 4096;

export function canvasReader(image: Drawable, width: number, height: number): PixelReader {
  let context: Context | undefined;
  return {
    width,
    height,
    channels: 4,
    read(wanted) {
      const { x, y, width: columns, height: rows } = wanted;
      const tile = Math.min(columns, TILE_EDGE);
      if (context === undefined || context.canvas.width < tile || context.canvas.height < rows) {
        context = whiteCanvas(tile, rows);
        context.imageSmoothingEnabled = false;
      }
      if (columns <= tile)
        return {
          ...wanted,
          data: pixelsOf(context, image, { x, y, width: columns, height: rows }),
          channels: 4,
        };
      const data = new Uint8Array(columns * rows * 4);
      for (let left = 0; left < columns; left += tile) {
        const rowBytes = Math.min(tile, columns - left) * 4;
        const pixels = pixelsOf(context, image, { x: x + left, y, width: rowBytes / 4, height: rows });
        for (let row = 0; row < rows; row++) {
          data.set(pixels.subarray(row * rowBytes, (row + 1) * rowBytes), (row * columns + left) * 4);
        }
      }
      return { ...wanted, data, channels: 4 };
    },
  };
}

/** The picture scaled by the browser, for `preprocessing: 'fast'`. */
export function scaledReader(image: Drawable, width: number, height: number): PixelReader {
  const context = whiteCanvas(width, height);
  context.imageSmoothingQuality = 'medium';
  context.drawImage(image, 0, 0, width, height);
  const data = read(context, width, height);
  const whole = { x: 0, y: 0, width, height, channels: 4, data } as const;
  return { width, height, channels: 4, read: () => whole };
}

function pixelsOf(context: Context, image: Drawable, { x, y, width, height }: Region): Uint8Array {
  context.fillRect(0, 0, width, height);
  context.drawImage(image, x, y, width, height, 0, 0, width, height);
  return read(context, width, height);
}

function whiteCanvas(width: number, height: number): Context {
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true, alpha: false });
  if (context === null) throw new MclipError('OUT_OF_MEMORY', `No canvas of ${width}x${height} pixels to decode with.`);
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  return context;
}

function read(context: Context, width: number, height: number): Uint8Array {
  try {
    return new Uint8Array(context.getImageData(0, 0, width, height).data.buffer);
  } catch (cause) {
    throw new MclipError(
      'IMAGE_DECODE',
      "The picture's pixels may not be read: it comes from another origin. Set crossorigin on the element, or fetch it.",
      { cause },
    );
  }
}
