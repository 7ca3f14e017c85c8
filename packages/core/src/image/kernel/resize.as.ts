// The two passes of the resize in WebAssembly SIMD (AssemblyScript). Byte for byte the results of scalar.ts.
//
// A weight w of 22 fraction bits is stored as two 16-bit halves, high = w >> 11 and low = w & 2047, so that
// dot_i16x8 multiplies pixels (0 to 255) by either and adds neighbours; (sum of highs << 11) + sum of lows is the exact
// sum, in 32-bit arithmetic that wraps as the scalar sum does. Weights lie in pairs of taps: high, high, low, low.
//
// Leaves out everything about sizes, windows and memory: simd.ts lays memory out and calls per 4 rows or per row.

const LOW_BITS: i32 = 11;
const PRECISION_BITS: i32 = 22;
const HALF: i32 = 1 << 21;

// @ts-ignore: decorator
@inline
function combine(high: v128, low: v128): v128 {
  return i32x4.shr_s(i32x4.add(i32x4.shl(high, LOW_BITS), low), PRECISION_BITS);
}

/**
 * Horizontal pass over 4 rows of RGB or RGBA, whose alpha is left out. Output x of a row is the weighted sum of
 * `pairs * 2` pixels from byte `starts[x]` on.
 * Reads up to 10 bytes beyond a row's last pixel, writes 1 byte beyond a target row's last.
 */
export function horizontal4(
  rows: usize, rowStride: usize, channels: i32, starts: usize, weights: usize, pairs: i32, width: i32,
  target: usize, targetStride: usize,
): void {
  // the first two pixels of 12 or 16 bytes as 16-bit r r g g b b - -, and the next two
  let two = i8x16(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1);
  let nextTwo = i8x16(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  if (channels == 4) {
    two = i8x16(0, -1, 4, -1, 1, -1, 5, -1, 2, -1, 6, -1, -1, -1, -1, -1);
    nextTwo = i8x16(8, -1, 12, -1, 9, -1, 13, -1, 10, -1, 14, -1, -1, -1, -1, -1);
  }
  const step = <usize>channels << 2;
  const half = i32x4.splat(HALF);
  const zero = i32x4.splat(0);
  const fours = pairs >> 1;
  const rest = pairs & 1;
  let k = weights;
  for (let x = 0; x < width; x++) {
    let p0 = rows + <usize>load<u32>(starts + (<usize>x << 2));
    let p1 = p0 + rowStride;
    let p2 = p1 + rowStride;
    let p3 = p2 + rowStride;
    let h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    let l0 = half, l1 = half, l2 = half, l3 = half;
    for (let i = 0; i < fours; i++) {
      const v0 = v128.load(p0), v1 = v128.load(p1), v2 = v128.load(p2), v3 = v128.load(p3);
      let high = v128.load_splat<u32>(k);
      let low = v128.load_splat<u32>(k, 4);
      let s = v128.swizzle(v0, two);
      h0 = i32x4.add(h0, i32x4.dot_i16x8_s(s, high));
      l0 = i32x4.add(l0, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v1, two);
      h1 = i32x4.add(h1, i32x4.dot_i16x8_s(s, high));
      l1 = i32x4.add(l1, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v2, two);
      h2 = i32x4.add(h2, i32x4.dot_i16x8_s(s, high));
      l2 = i32x4.add(l2, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v3, two);
      h3 = i32x4.add(h3, i32x4.dot_i16x8_s(s, high));
      l3 = i32x4.add(l3, i32x4.dot_i16x8_s(s, low));
      high = v128.load_splat<u32>(k, 8);
      low = v128.load_splat<u32>(k, 12);
      s = v128.swizzle(v0, nextTwo);
      h0 = i32x4.add(h0, i32x4.dot_i16x8_s(s, high));
      l0 = i32x4.add(l0, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v1, nextTwo);
      h1 = i32x4.add(h1, i32x4.dot_i16x8_s(s, high));
      l1 = i32x4.add(l1, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v2, nextTwo);
      h2 = i32x4.add(h2, i32x4.dot_i16x8_s(s, high));
      l2 = i32x4.add(l2, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v3, nextTwo);
      h3 = i32x4.add(h3, i32x4.dot_i16x8_s(s, high));
      l3 = i32x4.add(l3, i32x4.dot_i16x8_s(s, low));
      p0 += step;
      p1 += step;
      p2 += step;
      p3 += step;
      k += 16;
    }
    if (rest) {
      const high = v128.load_splat<u32>(k);
      const low = v128.load_splat<u32>(k, 4);
      let s = v128.swizzle(v128.load(p0), two);
      h0 = i32x4.add(h0, i32x4.dot_i16x8_s(s, high));
      l0 = i32x4.add(l0, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v128.load(p1), two);
      h1 = i32x4.add(h1, i32x4.dot_i16x8_s(s, high));
      l1 = i32x4.add(l1, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v128.load(p2), two);
      h2 = i32x4.add(h2, i32x4.dot_i16x8_s(s, high));
      l2 = i32x4.add(l2, i32x4.dot_i16x8_s(s, low));
      s = v128.swizzle(v128.load(p3), two);
      h3 = i32x4.add(h3, i32x4.dot_i16x8_s(s, high));
      l3 = i32x4.add(l3, i32x4.dot_i16x8_s(s, low));
      k += 8;
    }
    // both narrowings saturate, which clips to 0..255; each row's 4 bytes are r g b and one the next pixel overwrites
    const bytes = i8x16.narrow_i16x8_u(
      i16x8.narrow_i32x4_s(combine(h0, l0), combine(h1, l1)),
      i16x8.narrow_i32x4_s(combine(h2, l2), combine(h3, l3)),
    );
    let t = target + <usize>(x * 3);
    v128.store_lane<u32>(t, bytes, 0);
    t += targetStride;
    v128.store_lane<u32>(t, bytes, 1);
    t += targetStride;
    v128.store_lane<u32>(t, bytes, 2);
    t += targetStride;
    v128.store_lane<u32>(t, bytes, 3);
  }
}

/** Vertical pass: one row of `bytes` (rounded up to 16) as the weighted sum of `pairs * 2` rows from `rows` on. */
export function vertical(rows: usize, stride: usize, weights: usize, pairs: i32, bytes: usize, target: usize): void {
  const half = i32x4.splat(HALF);
  const zero = i32x4.splat(0);
  for (let column: usize = 0; column < bytes; column += 16) {
    let p = rows + column;
    let k = weights;
    let h0 = zero, h1 = zero, h2 = zero, h3 = zero;
    let l0 = half, l1 = half, l2 = half, l3 = half;
    for (let i = 0; i < pairs; i++) {
      const a = v128.load(p);
      const b = v128.load(p + stride);
      const high = v128.load_splat<u32>(k);
      const low = v128.load_splat<u32>(k, 4);
      // a's and b's bytes alternate, so that a pair of lanes is one column of two rows
      const left = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const right = v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
      let s = i16x8.extend_low_i8x16_u(left);
      h0 = i32x4.add(h0, i32x4.dot_i16x8_s(s, high));
      l0 = i32x4.add(l0, i32x4.dot_i16x8_s(s, low));
      s = i16x8.extend_high_i8x16_u(left);
      h1 = i32x4.add(h1, i32x4.dot_i16x8_s(s, high));
      l1 = i32x4.add(l1, i32x4.dot_i16x8_s(s, low));
      s = i16x8.extend_low_i8x16_u(right);
      h2 = i32x4.add(h2, i32x4.dot_i16x8_s(s, high));
      l2 = i32x4.add(l2, i32x4.dot_i16x8_s(s, low));
      s = i16x8.extend_high_i8x16_u(right);
      h3 = i32x4.add(h3, i32x4.dot_i16x8_s(s, high));
      l3 = i32x4.add(l3, i32x4.dot_i16x8_s(s, low));
      p += stride << 1;
      k += 8;
    }
    v128.store(target + column, i8x16.narrow_i16x8_u(
      i16x8.narrow_i32x4_s(combine(h0, l0), combine(h1, l1)),
      i16x8.narrow_i32x4_s(combine(h2, l2), combine(h3, l3)),
    ));
  }
}
