/** The proof of a device, see self-check.ts: loaded when nothing good is known of it yet. */
import { cosineOf, failedCheck } from './canary.js';
import { isReference } from './device.js';
import type { Computing } from './host.js';
import { type CheckedLoad, keyOf, leastCosine } from './self-check.js';

/**
 * Loads on the device, with a check.
 *
 * @param key where the result is kept; null: nowhere
 * @param before the cosine that was found before, too small
 */
export async function prove<E extends Computing>(
  asked: CheckedLoad<E>,
  key: string | null,
  before: number | undefined,
): Promise<void> {
  const { platform, settings, engine, device, what, dtype } = asked;
  const least = leastCosine(dtype);
  const check = (cosine: number) => {
    if (cosine >= least) return; // never for NaN
    throw failedCheck(
      device,
      `its answer (${what}) has cosine ${cosine.toFixed(4)} with the right one, less than ${least}`,
    );
  };
  if (before !== undefined) check(before);
  const expected = asked.expected ?? (await referenceAnswer(asked));
  const cosine = cosineOf((await asked.load(engine, device, { expected, least }))!, expected);
  if (key !== null) await platform.writeEmbeddings([[key, Float32Array.of(cosine)]], settings);
  check(cosine);
}

/** What the CPU says: computed once per file. */
async function referenceAnswer<E extends Computing>(asked: CheckedLoad<E>): Promise<Float32Array> {
  const { platform, settings, load } = asked;
  const reference = platform.supportedDevices.find(isReference)!;
  const key = await keyOf('answer', asked, reference);
  const kept = key === null ? null : (await platform.readEmbeddings([key], settings))[0];
  if (kept) return kept;
  const another = await asked.startAnother();
  try {
    const answer = (await load(another, reference, { expected: null, least: 0 }))!;
    if (key !== null) await platform.writeEmbeddings([[key, answer]], settings);
    return answer;
  } finally {
    await another.dispose();
  }
}
