/** Devices that compute wrong, deliberately: they are rejected before anybody sees an answer of theirs. */
import { fileURLToPath } from 'node:url';
import { type BundledModel, Captioner, Classifier, type ClassifierOptions } from '@mclip/core';
import { nanoClip, nanoVlm } from '@mclip/nano';
import { describe, expect, test } from 'vitest';
import { noise, notANumber, type OtherDevice, otherDevice, type Spoil } from './support/other-device.js';

const labels = ['airplane', 'bicycle', 'guitar', 'hamburger', 'penguin', 'rose', 'strawberry', 'umbrella'];
const picture = (name: string) =>
  fileURLToPath(new URL(`../../../examples/node-classify/images/${name}.png`, import.meta.url));

type Json = { canary: object | null; graphs: Record<string, { files: { w8: { bytes: number | null } } }> };

/** nano of unknown size: large networks are the ones that 'auto' brings to a GPU. */
function unknownSize(model: BundledModel, canary = true): BundledModel {
  const manifest = structuredClone(model.manifest) as Json;
  for (const graph of Object.values(manifest.graphs)) graph.files.w8.bytes = null;
  if (!canary) manifest.canary = null;
  return { manifest, fileUrl: (file) => model.fileUrl(file) };
}

const right: Spoil = (outputs) => outputs;
const throws: Spoil = () => {
  throw new Error('the GPU hung up');
};
/** As a driver with a bug in one kernel: near enough for a picture, not for the check. */
const slightlyOff: Spoil = (outputs, run) => {
  for (const { data } of Object.values(outputs)) {
    const floats = data as Float32Array;
    for (let i = 0; i < floats.length; i += 16) floats[i] = -floats[i]! - 0.05 * run;
  }
  return outputs;
};

const classifierOn = ({ platform }: OtherDevice, options: ClassifierOptions = {}) =>
  Classifier.create<string>(platform, labels, { model: unknownSize(nanoClip), worker: false, ...options });

async function expectRight(classifier: Classifier<string>) {
  for (const label of labels) expect((await classifier.classify(picture(label)))[0]!.label).toBe(label);
}

test.each<[string, Spoil, string]>([
  ['noise', noise, 'cosine'],
  ['NaN', notANumber, 'cosine NaN'],
  ['an exception', throws, 'the GPU hung up'],
  ['a few wrong values', slightlyOff, 'cosine'],
])('a device that answers with %s is left out, and the labels are right', async (_, spoil, why) => {
  const other = otherDevice(spoil);
  const classifier = await classifierOn(other);
  expect(classifier.device).toMatchObject({ name: 'cpu', rejected: [{ name: 'cuda' }] });
  expect(classifier.device.rejected[0]!.why).toContain(why);
  await expectRight(classifier);
  await classifier.dispose();
  expect(other.open()).toBe(0);
});

test('a device that answers right is taken, and asked once per machine', async () => {
  const store = new Map<string, Float32Array>();
  for (const runsOfTheCheck of [2, 0]) {
    let runs = 0;
    const counted: Spoil = (outputs) => {
      runs++;
      return outputs;
    };
    const other = otherDevice(counted, store);
    const classifier = await classifierOn(other);
    expect(classifier.device).toMatchObject({ name: 'cuda', rejected: [] });
    expect(other.sessions.every((device) => device === 'cuda')).toBe(true);
    const labelRuns = runsOfTheCheck === 0 ? 0 : 1; // labels are kept as well, so the second time there is no text graph
    expect(runs).toBe(runsOfTheCheck + labelRuns);
    await expectRight(classifier);
    await classifier.dispose();
  }
});

test('a device that answered wrong is not loaded again on the same machine', async () => {
  const store = new Map<string, Float32Array>();
  await (await classifierOn(otherDevice(noise, store))).dispose();
  const again = otherDevice(right, store); // the driver is the same by name, whatever it does now
  const classifier = await classifierOn(again);
  expect(classifier.device.name).toBe('cpu');
  expect(classifier.device.rejected[0]!.why).toContain('cosine');
  expect(again.sessions).not.toContain('cuda');
  await classifier.dispose();
});

test('a text graph that is wrong there falls back by itself', async () => {
  const textOnly: Spoil = (outputs, run) => ('text_embeds' in outputs ? noise(outputs, run) : outputs);
  const other = otherDevice(textOnly);
  const classifier = await classifierOn(other);
  expect(classifier.device).toMatchObject({ name: 'cuda', rejected: [{ name: 'cuda' }] });
  expect(classifier.device.rejected[0]!.why).toMatch(/^text graph: .*cosine/);
  await expectRight(classifier);
  await classifier.dispose();
});

test('a device that was named is an error with the way out, and nothing stays loaded', async () => {
  const other = otherDevice(noise);
  const creating = classifierOn(other, { device: 'cuda' });
  await expect(creating).rejects.toMatchObject({
    code: 'DEVICE_UNAVAILABLE',
    message: expect.stringContaining("'auto'"),
  });
  expect(other.open()).toBe(0);
});

test('without a canary the CPU is asked once, in an encoder of its own', async () => {
  const store = new Map<string, Float32Array>();
  const model = unknownSize(nanoClip, false);
  const first = otherDevice(right, store);
  const classifier = await classifierOn(first, { model });
  expect(classifier.device.name).toBe('cuda');
  expect(first.sessions).toEqual(['cpu', 'cuda', 'cpu', 'cuda']);
  expect(first.open()).toBe(2);
  await classifier.dispose();
  const second = otherDevice(noise, new Map([...store].filter(([key]) => key.includes('answer'))));
  const careful = await classifierOn(second, { model });
  expect(careful.device.name).toBe('cpu');
  expect(second.sessions).toEqual(['cuda', 'cpu', 'cpu']); // vision found wrong by the kept answer; then both graphs
  await expectRight(careful);
  await careful.dispose();
});

test('a benchmark takes the fastest of the right devices, and measures once', async () => {
  const store = new Map<string, Float32Array>();
  let slow = 0;
  const sluggish: Spoil = (outputs) => {
    slow++;
    for (const end = performance.now() + 60; performance.now() < end; );
    return outputs;
  };
  const options = { model: nanoClip, benchmark: true }; // a small network, which auto alone would leave on the CPU
  const first = await classifierOn(otherDevice(sluggish, store), options);
  expect(slow).toBeGreaterThan(5);
  expect(first.device).toMatchObject({ name: 'cpu', rejected: [{ name: 'cuda' }] });
  expect(first.device.rejected[0]!.why).toMatch(/ms a picture, cpu/);
  await first.dispose();
  slow = 0;
  const other = otherDevice(sluggish, store);
  const second = await classifierOn(other, options);
  expect(second.device.name).toBe('cpu');
  expect(slow).toBe(0);
  await second.dispose();
  expect(other.open()).toBe(0);
});

test('a benchmark is not won by a device that is wrong', async () => {
  const classifier = await classifierOn(otherDevice(noise), { benchmark: true });
  expect(classifier.device.name).toBe('cpu');
  await expectRight(classifier);
  await classifier.dispose();
});

describe('captioners', () => {
  const captionerOn = ({ platform }: OtherDevice, model = unknownSize(nanoVlm)) =>
    Captioner.create<string>(platform, { model, worker: false });

  test.each<[string, Spoil]>([
    ['noise', noise],
    ['NaN', notANumber],
    ['an exception', throws],
  ])('a device that answers with %s is left out, and the caption is right', async (_, spoil) => {
    const expected = await captionerOn(otherDevice(right));
    expect(expected.device).toMatchObject({ name: 'cuda', rejected: [] });
    const other = otherDevice(spoil);
    const captioner = await captionerOn(other);
    expect(captioner.device).toMatchObject({ name: 'cpu', rejected: [{ name: 'cuda' }] });
    expect(await captioner.caption(picture('airplane'))).toBe(await expected.caption(picture('airplane')));
    await captioner.dispose();
    await expected.dispose();
    expect(other.open()).toBe(0);
  });

  test('without a canary its logits are compared with the CPU', async () => {
    const captioner = await captionerOn(otherDevice(noise), unknownSize(nanoVlm, false));
    expect(captioner.device).toMatchObject({ name: 'cpu', rejected: [{ name: 'cuda' }] });
    await captioner.dispose();
    const good = await captionerOn(otherDevice(right), unknownSize(nanoVlm, false));
    expect(good.device).toMatchObject({ name: 'cuda', rejected: [] });
    await good.dispose();
  });
});
