/**
 * Where the pixels of a model's square input come from: target sizes, crop windows and padding.
 * References: torchvision `Resize` (shortest edge) and `CenterCrop`; LLaVA `expand2square`.
 */
import type { Region } from './region.js';

/**
 * - `crop`: shortest edge to `size`, then the centre square (CLIP);
 * - `pad`: the whole picture centred on a square of the mean colour, then to `size` (LLaVA, FastVLM);
 * - `squash`: straight to `size` x `size`, aspect ratio lost.
 */
export type Fit = 'crop' | 'pad' | 'squash';

/** Size in pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A square surface with a picture on it, in pixels of the picture. */
export interface Placement extends Size {
  /** Of the picture's left column. */
  readonly left: number;
  /** Of the picture's top row. */
  readonly top: number;
}

/** The size whose shorter edge is `shortestEdge`; the longer one is truncated, as torchvision does. */
export function shortestEdgeSize(width: number, height: number, shortestEdge: number): Size {
  if (width <= height) return { width: shortestEdge, height: Math.trunc((shortestEdge * height) / width) };
  return { width: Math.trunc((shortestEdge * width) / height), height: shortestEdge };
}

/** Where an odd margin goes: torchvision's `CenterCrop` rounds, transformers' image processors cut more at the end. */
export type CropOffset = 'round' | 'floor';

/** The centred `size` x `size` window of a picture that is at least that large. */
export function centerCropWindow({ width, height }: Size, size: number, offset: CropOffset = 'round'): Region {
  const before = offset === 'floor' ? Math.floor : roundHalfEven;
  return { x: before((width - size) / 2), y: before((height - size) / 2), width: size, height: size };
}

/** The picture centred on a square of its longer side; an odd margin leaves the larger part right or below. */
export function squarePlacement(width: number, height: number): Placement {
  const side = Math.max(width, height);
  return { width: side, height: side, left: (side - width) >> 1, top: (side - height) >> 1 };
}

/**
 * The size a decoder may scale a picture to by its own means (`preprocessing: 'fast'`), so that `preprocess` only has to
 * cut it out or surround it.
 */
export function scaledSize(width: number, height: number, { size, fit }: { size: number; fit: Fit }): Size {
  if (fit === 'squash') return { width: size, height: size };
  if (fit === 'crop') return shortestEdgeSize(width, height, size);
  const perSide = size / Math.max(width, height);
  return { width: Math.max(Math.round(width * perSide), 1), height: Math.max(Math.round(height * perSide), 1) };
}

/** Python's `round`: a half goes to the even neighbour, so a margin of 1 is cut off at the end and one of 3 at 2 + 1. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
