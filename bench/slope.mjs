/** Growth out of samples that also go up and down: a straight line through them, and how certain its slope is. */

/**
 * Least squares over equally distant samples.
 *
 * @param {number[]} samples
 * @returns {{ slope: number, error: number }} per step, and the slope's standard error
 */
export function slopeOf(samples) {
  const count = samples.length;
  const middle = (count - 1) / 2;
  const mean = samples.reduce((sum, value) => sum + value, 0) / count;
  let spread = 0;
  let product = 0;
  samples.forEach((value, index) => {
    spread += (index - middle) ** 2;
    product += (index - middle) * (value - mean);
  });
  const slope = product / spread;
  const rest = samples.reduce((sum, value, index) => sum + (value - mean - slope * (index - middle)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / Math.max(1, count - 2) / spread) };
}

/**
 * Whether the last half of the samples grows by more than `most` a step, beyond what chance makes of it: one of a
 * thousand flat series would.
 *
 * @param {number[]} samples
 * @param {number} most
 */
export function growsBy(samples, most) {
  const { slope, error } = slopeOf(samples.slice(samples.length >> 1));
  return slope - 3.3 * error > most;
}
