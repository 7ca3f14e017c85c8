/**
 * Filter weights of the antialiased resize as 22-bit integers, exactly those of Pillow's 8-bit path.
 * For an output pixel the filter is stretched by the shrink ratio (never below 1), sampled at the centres of the input
 * pixels it covers, normalised to sum 1 in double precision, scaled by 2^22 and rounded half away from zero.
 * Leaves out the other filters, fractional source boxes and `reducing_gap`.
 * Reference: Pillow `Image.resize` (Resample.c) as built for x86-64, where no multiply-add is fused.
 */

export type Interpolation = 'bilinear' | 'bicubic';

/** Weights are integers of this many fraction bits: 32 less 8 for the pixel and 2 for overshoot and sign. */
export const PRECISION_BITS = 32 - 8 - 2;

/** Half of one grey level: the start of every sum, so that the final shift rounds to nearest. */
export const HALF = 1 << (PRECISION_BITS - 1);

/** The weights of one axis. Output `i` is the sum over `j < taps` of `input[starts[i] + j] * weights[i * taps + j]`. */
export interface Coefficients {
  readonly inSize: number;
  readonly outSize: number;
  /** Stride of `weights`, the largest count of any output. */
  readonly taps: number;
  /** First input of each output. [outSize] */
  readonly starts: Int32Array;
  /** Inputs used by each output, at most `taps`. [outSize] */
  readonly counts: Int32Array;
  /** Zero beyond an output's count. [outSize * taps] */
  readonly weights: Int32Array;
}

interface Filter {
  /** Radius in input pixels at ratio 1. */
  readonly support: number;
  readonly weight: (x: number) => number;
}

const FILTERS: Record<Interpolation, Filter> = {
  bilinear: { support: 1, weight: triangle },
  bicubic: { support: 2, weight: cubic },
};

/** Enough for the two axes of a few picture sizes in turn. */
const CACHE_SIZE = 8;
/** Larger tables (in weights) are made anew each time. */
const CACHE_MAX_WEIGHTS = 1 << 18;
const cache = new Map<string, Coefficients>();

/** Weights that resize `inSize` pixels to `outSize`; the most recent tables are kept. */
export function coefficients(inSize: number, outSize: number, interpolation: Interpolation): Coefficients {
  const key = `${interpolation} ${inSize} ${outSize}`;
  const known = cache.get(key);
  const table = known ?? computeCoefficients(inSize, outSize, FILTERS[interpolation]);
  if (table.weights.length > CACHE_MAX_WEIGHTS) return table;
  // a Map iterates in order of insertion: moving a hit to the end makes the first key the least recently used
  cache.delete(key);
  cache.set(key, table);
  if (cache.size > CACHE_SIZE) cache.delete(cache.keys().next().value as string);
  return table;
}

function computeCoefficients(inSize: number, outSize: number, filter: Filter): Coefficients {
  const scale = inSize / outSize;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const perStretch = 1 / stretch;
  const starts = new Int32Array(outSize);
  const counts = new Int32Array(outSize);

  // the inputs under each output's filter
  let taps = 0;
  for (let i = 0; i < outSize; i++) {
    const center = (i + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    starts[i] = start;
    counts[i] = Math.min(Math.trunc(center + support + 0.5), inSize) - start;
    if (counts[i] > taps) taps = counts[i];
  }

  // their weights
  const weights = new Int32Array(outSize * taps);
  const raw = new Float64Array(taps);
  for (let i = 0; i < outSize; i++) {
    const center = (i + 0.5) * scale;
    const start = starts[i];
    const count = counts[i];
    let sum = 0;
    for (let j = 0; j < count; j++) {
      raw[j] = filter.weight((j + start - center + 0.5) * perStretch);
      sum += raw[j];
    }
    for (let j = 0; j < count; j++) {
      const weight = (sum === 0 ? raw[j] : raw[j] / sum) * (1 << PRECISION_BITS);
      weights[i * taps + j] = weight < 0 ? weight - 0.5 : weight + 0.5; // the store truncates
    }
  }
  return { inSize, outSize, taps, starts, counts, weights };
}

function triangle(x: number): number {
  const distance = Math.abs(x);
  return distance < 1 ? 1 - distance : 0;
}

/** Keys' cubic convolution with a = -0.5; the order of operations is part of the result. */
function cubic(x: number): number {
  const a = -0.5;
  const distance = Math.abs(x);
  if (distance < 1) return ((a + 2) * distance - (a + 3)) * distance * distance + 1;
  if (distance < 2) return (((distance - 5) * distance + 8) * distance - 4) * a;
  return 0;
}
