/** Workers that stop and devices that fail while running: calls come back right, or with a typed error, and the next ones work. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { type BundledModel, Captioner, Classifier, type ClassifierOptions, Embedder, MclipError } from '@mclip/core';
import type { Platform } from '@mclip/core/adapter';
import { nanoClip, nanoVlm } from '@mclip/nano';
import { describe, expect, test } from 'vitest';
import { nodePlatform } from '../src/platform.js';
import { workerPort } from '../src/worker-port.js';
import { notANumber, type OtherDevice, otherDevice, type Spoil } from './support/other-device.js';

const labels = ['airplane', 'bicycle', 'guitar', 'hamburger', 'penguin', 'rose', 'strawberry', 'umbrella'];
const picture = (name: string) =>
  fileURLToPath(new URL(`../../../examples/node-classify/images/${name}.png`, import.meta.url));
const top = async (classifier: Classifier<unknown>, image: unknown) => (await classifier.classify(image))[0]!.label;

/** Of unknown size, so that 'auto' tries the other device first. */
function ofUnknownSize(model: BundledModel): BundledModel {
  const manifest = structuredClone(model.manifest) as {
    graphs: Record<string, { files: { w8: { bytes: number | null } } }>;
  };
  for (const graph of Object.values(manifest.graphs)) graph.files.w8.bytes = null;
  return { manifest, fileUrl: (file) => model.fileUrl(file) };
}

const model = ofUnknownSize(nanoClip);

const classifierOn = ({ platform }: OtherDevice, options: ClassifierOptions = {}) =>
  Classifier.create<unknown>(platform, labels, { model, worker: false, ...options });

/** Right for the self-checks and labels, then as `after` from the given run of the device on. */
const from =
  (first: number, after: Spoil): Spoil =>
  (outputs, run) =>
    run >= first ? after(outputs, run) : outputs;
const only =
  (which: number, spoil: Spoil): Spoil =>
  (outputs, run) =>
    run === which ? spoil(outputs, run) : outputs;
const lost: Spoil = () => {
  throw new Error('device lost');
};
/** Runs until a classifier exists: two self-checks and the labels. */
const CREATION = 3;

test.each<[string, Spoil]>([
  ['fails', lost],
  ['gives no numbers', notANumber],
])('a device that %s once is set up anew, and the call is repeated', async (_, spoil) => {
  const other = otherDevice(only(CREATION + 2, spoil));
  const classifier = await classifierOn(other);
  for (const label of labels) expect(await top(classifier, picture(label))).toBe(label);
  expect(classifier.device).toMatchObject({ name: 'cuda', rejected: [] });
  expect(other.sessions).toEqual(['cuda', 'cuda', 'cuda', 'cuda']);
  await classifier.dispose();
  expect(other.open()).toBe(0);
});

test.each<[string, Spoil]>([
  ['fails', lost],
  ['gives no numbers', notANumber],
])('a device that %s from then on is left for the next', async (_, spoil) => {
  const other = otherDevice(from(CREATION + 2, spoil));
  const classifier = await classifierOn(other);
  for (const label of labels) expect(await top(classifier, picture(label))).toBe(label);
  expect(classifier.device).toMatchObject({ name: 'cpu', rejected: [{ name: 'cuda' }] });
  await classifier.dispose();
  expect(other.open()).toBe(0);
});

test('a device that passes its check anew and fails again is left, with the reason', async () => {
  // run 5 fails; 6 and 7 are the self-checks; 8 is the repeated call
  const other = otherDevice((outputs, run) => (run === 5 || run === 8 ? lost(outputs, run) : outputs));
  const classifier = await classifierOn(other);
  for (const label of labels) expect(await top(classifier, picture(label))).toBe(label);
  expect(classifier.device.name).toBe('cpu');
  expect(classifier.device.rejected.map(({ why }) => why).join()).toContain('failed while running');
  expect(classifier.device.rejected.map(({ why }) => why).join()).toContain('device lost');
  await classifier.dispose();
});

test('calls at once that fail together share one restart, and pixels that changed meanwhile do not matter', async () => {
  const other = otherDevice(only(CREATION + 1, lost));
  const classifier = await classifierOn(other);
  const expected = await Promise.all(labels.map((label) => classifier.classify(picture(label))));
  // whatever runs on the first sessions fails from then on
  const again: OtherDevice = otherDevice((outputs, run) =>
    run > CREATION && again.sessions.length === 2 ? lost(outputs, run) : outputs,
  );
  const second = await classifierOn(again);
  const files = await Promise.all(labels.map((label) => readFile(picture(label))));
  const calls = files.map((bytes) => second.classify(bytes));
  for (const bytes of files) bytes.fill(0); // copied when the call was made
  expect(await Promise.all(calls)).toEqual(expected);
  expect(again.sessions).toHaveLength(4);
  await classifier.dispose();
  await second.dispose();
});

test('a device that was named is set up anew once and never replaced', async () => {
  const other = otherDevice(from(CREATION + 1, lost));
  const classifier = await classifierOn(other, { device: 'cuda' });
  await expect(classifier.classify(picture('rose'))).rejects.toMatchObject({
    code: expect.stringMatching(/DEVICE_(LOST|UNAVAILABLE)/),
  });
  expect(other.sessions.every((device) => device === 'cuda')).toBe(true);
  await classifier.dispose();
  expect(other.open()).toBe(0);
});

test('a named device that comes back later works again', async () => {
  let broken = false;
  const other = otherDevice((outputs, run) => (broken ? lost(outputs, run) : outputs));
  const classifier = await classifierOn(other, { device: 'cuda' });
  broken = true;
  await expect(classifier.classify(picture('rose'))).rejects.toMatchObject({ name: 'MclipError' });
  broken = false;
  expect(await top(classifier, picture('rose'))).toBe('rose');
  await classifier.dispose();
});

test('a text graph that fails while labels are embedded is repeated', async () => {
  const other = otherDevice(only(CREATION, lost));
  const classifier = await classifierOn(other);
  for (const label of labels) expect(await top(classifier, picture(label))).toBe(label);
  await classifier.dispose();
});

/** The platform with its workers in hand. */
function withWorkers(script = new URL('../dist/clip-worker.js', import.meta.url)) {
  const workers: Worker[] = [];
  const platform: Platform = {
    ...nodePlatform,
    startWorker() {
      const worker = new Worker(script, { execArgv: [] });
      workers.push(worker);
      return workerPort(worker);
    },
  };
  return { platform, workers };
}

const inWorker = ({ platform }: { platform: Platform }) =>
  Classifier.create<unknown>(platform, labels, { model: nanoClip });

test('a worker that was terminated while idle is replaced by the next call', async () => {
  const machine = withWorkers();
  const classifier = await inWorker(machine);
  for (let time = 0; time < 6; time++) {
    await machine.workers.at(-1)!.terminate();
    const bytes = await readFile(picture('guitar'));
    expect(await top(classifier, bytes)).toBe('guitar');
  }
  expect(machine.workers).toHaveLength(7);
  await classifier.dispose();
});

test('calls under way when a worker stops: files are read again, pixels are an error, and all later calls work', async () => {
  const machine = withWorkers(new URL('./support/crashing-worker.mjs', import.meta.url));
  const classifier = await inWorker(machine);
  machine.workers[0]!.postMessage({ hold: true });
  const paths = labels.map((label) => top(classifier, picture(label)));
  const pixels = { data: new Uint8Array(64 * 64 * 3), width: 64, height: 64, channels: 3 };
  const raw = classifier.classify(pixels);
  const outcome = expect(raw).rejects.toMatchObject({ code: 'WORKER' });
  await new Promise((resolve) => setTimeout(resolve, 100)); // the files are read
  machine.workers[0]!.postMessage({ stop: true });
  expect(await Promise.all(paths)).toEqual(labels);
  await outcome;
  expect(await classifier.classify(pixels)).toHaveLength(labels.length);
  expect(machine.workers).toHaveLength(2);
  await classifier.dispose();
});

test('a picture that stops the worker every time is an error, and does not take the others along', async () => {
  const machine = withWorkers(new URL('./support/crashing-worker.mjs', import.meta.url));
  const classifier = await inWorker(machine);
  const deadly = { image: picture('rose'), region: { x: 0, y: 0, width: 13, height: 13 } };
  for (let time = 0; time < 2; time++) {
    await expect(classifier.classify(deadly)).rejects.toMatchObject({ code: 'WORKER' });
    expect(await top(classifier, picture('rose'))).toBe('rose');
  }
  await classifier.dispose();
});

test('restarts are bounded', async () => {
  const machine = withWorkers(new URL('./support/crashing-worker.mjs', import.meta.url));
  const classifier = await inWorker(machine);
  const deadly = { image: picture('rose'), region: { x: 0, y: 0, width: 13, height: 13 } };
  for (let time = 0; time < 6; time++) {
    await expect(classifier.classify(deadly)).rejects.toMatchObject({ code: 'WORKER' });
  }
  await expect(classifier.classify(deadly)).rejects.toThrow('restarts in a row');
  expect(machine.workers.length).toBeLessThanOrEqual(6);
  await classifier.dispose();
});

test('a worker that cannot start is not tried again and again', async () => {
  const machine = withWorkers(new URL('./support/no-such-worker.mjs', import.meta.url));
  await expect(inWorker(machine)).rejects.toMatchObject({ code: 'WORKER' });
  expect(machine.workers).toHaveLength(1);
});

test('disposing while a worker is being replaced leaves nothing behind', async () => {
  const machine = withWorkers();
  const classifier = await inWorker(machine);
  await machine.workers[0]!.terminate();
  const call = classifier.classify(picture('rose'));
  call.catch(() => {});
  await classifier.dispose();
  await expect(call).rejects.toMatchObject({ name: 'MclipError' });
  for (const worker of machine.workers) {
    if (worker.threadId !== -1) await new Promise((resolve) => worker.once('exit', resolve));
  }
});

describe('captioners', () => {
  const captionerOn = (other: OtherDevice) =>
    Captioner.create<unknown>(
      { ...other.platform, autoDevices: () => ['cuda', 'cpu'] },
      { model: ofUnknownSize(nanoVlm), worker: false },
    );
  /** As adapters say it. */
  const lostDevice: Spoil = () => {
    throw new MclipError('DEVICE_LOST', 'the GPU hung up');
  };
  const image = picture('airplane');
  /** Runs of the self-check: vision, the beginning, the question. */
  const CHECK = 3;

  test('a caption is repeated, on the same device and then on the next', async () => {
    const well = await captionerOn(otherDevice((outputs) => outputs));
    const expected = await well.caption(image);
    const once = await captionerOn(otherDevice(only(CHECK + 3, lostDevice)));
    expect(await once.caption(image)).toBe(expected);
    expect(once.device).toMatchObject({ name: 'cuda', rejected: [] });
    const late = await captionerOn(otherDevice(only(CHECK + 7, lostDevice))); // in the middle of its text
    expect(await late.caption(image)).toBe(expected);
    await late.dispose();
    const always = await captionerOn(otherDevice(from(CHECK + 3, lostDevice)));
    expect(await always.caption(image)).toBe(expected);
    expect(always.device).toMatchObject({ name: 'cpu', rejected: [{ name: 'cuda' }] });
    for (const captioner of [well, once, always]) await captioner.dispose();
  });

  /** All pieces of a stream, and how it ended. */
  async function streamed(captioner: Captioner<unknown>) {
    const pieces: string[] = [];
    const ended = (async () => {
      for await (const delta of captioner.stream(image)) pieces.push(delta);
    })();
    const error = await ended.then(
      () => null,
      (reason: unknown) => reason,
    );
    return { pieces, said: pieces.join(''), error };
  }

  test.each<[string, Spoil]>([
    ['fails', lostDevice],
    ['gives no numbers', notANumber],
  ])('a stream goes on where it was when the device %s in the middle of it', async (_, spoil) => {
    const well = await captionerOn(otherDevice((outputs) => outputs));
    const expected = await streamed(well);
    expect(expected.pieces.length).toBeGreaterThan(4);
    for (const run of [4, 6, 8]) {
      const once = await captionerOn(otherDevice(only(CHECK + run, spoil)));
      expect(await streamed(once)).toEqual(expected);
      expect(once.device).toMatchObject({ name: 'cuda', rejected: [] });
      await once.dispose();
    }
    const always = await captionerOn(otherDevice(from(CHECK + 6, spoil)));
    expect(await streamed(always)).toMatchObject({ said: expected.said, error: null });
    expect(always.device).toMatchObject({ name: 'cpu', rejected: [{ name: 'cuda' }] });
    for (const captioner of [well, always]) await captioner.dispose();
  });

  test('a stream whose repetition begins otherwise ends with DEVICE_LOST, and said nothing of it', async () => {
    const well = await captionerOn(otherDevice((outputs) => outputs));
    const expected = await well.caption(image);
    const failing = CHECK + 6;
    const other = otherDevice((outputs, run) => {
      if (run === failing) return lostDevice(outputs, run);
      if (run > failing + CHECK) (outputs.logits?.data as Float32Array | undefined)?.reverse(); // right while it is checked
      return outputs;
    });
    const captioner = await captionerOn(other);
    const { said, error } = await streamed(captioner);
    expect(error).toMatchObject({ code: 'DEVICE_LOST', message: expect.stringContaining('begins otherwise') });
    expect(said).not.toBe('');
    expect(expected.startsWith(said)).toBe(true);
    expect(captioner.device).toMatchObject({ name: 'cuda', rejected: [] });
    await captioner.dispose();
    await well.dispose();
  });

  test('a chat goes on where it was when the device fails in the middle of a turn', async () => {
    const questions = ['What is it?', 'What colour is it?', 'Is it large?'];
    const answers = async (other: OtherDevice) => {
      const captioner = await captionerOn(other);
      await using chat = captioner.chat(image);
      const said: unknown[] = [];
      for (const question of questions) {
        const { text, promptTokens } = await chat.generate(question);
        said.push([text, promptTokens]); // the latter tells that all turns before were taken in
      }
      const { name } = captioner.device;
      await captioner.dispose();
      return { said, name };
    };
    let runs = 0;
    const expected = await answers(
      otherDevice((outputs, run) => {
        runs = run;
        return outputs;
      }),
    );
    for (const share of [0.3, 0.6, 0.9]) {
      const failing = CHECK + Math.ceil((runs - CHECK) * share);
      expect(await answers(otherDevice(only(failing, lostDevice)))).toEqual(expected);
    }
    const { said, name } = await answers(otherDevice(from(CHECK + Math.ceil((runs - CHECK) * 0.8), notANumber)));
    expect(said).toEqual(expected.said);
    expect(name).toBe('cpu');
  });

  test('a picture that was encoded before goes on with the next device, and with the one after', async () => {
    let failing = Infinity;
    let runs = 0;
    const other = otherDevice((outputs, run) => {
      runs = run;
      return run >= failing ? lostDevice(outputs, run) : outputs;
    });
    const captioner = await captionerOn(other);
    const encoded = await captioner.encodeImage(image);
    const caption = await captioner.caption(encoded);
    await using chat = captioner.chat(encoded);
    const first = await chat.ask('What is it?');
    const sessions = other.sessions.length;
    failing = runs + 1; // from now on
    expect(await captioner.caption(encoded)).toBe(caption);
    expect(captioner.device).toMatchObject({ name: 'cpu', rejected: [{ name: 'cuda' }] });
    expect(other.sessions.length).toBeGreaterThan(sessions);
    const well = await captionerOn(otherDevice((outputs) => outputs));
    await using undisturbed = well.chat(await well.encodeImage(image));
    expect(await undisturbed.ask('What is it?')).toBe(first);
    expect(await chat.ask('Is it alive?')).toBe(await undisturbed.ask('Is it alive?'));
    expect(await captioner.choose(encoded, 'Is it alive?', ['yes', 'no'])).toEqual(
      await well.choose(image, 'Is it alive?', ['yes', 'no']),
    );
    await encoded.dispose();
    await expect(captioner.caption(encoded)).rejects.toMatchObject({ code: 'DISPOSED' });
    for (const one of [captioner, well]) await one.dispose();
  });

  test('raw pixels are captioned whenever the device fails, though they are others by then', async () => {
    const pixels = () => ({
      data: Uint8Array.from({ length: 96 * 96 * 3 }, (_, i) => (i * 37 + (i >> 5)) % 256),
      width: 96,
      height: 96,
      channels: 3 as const,
    });
    let runs = 0;
    const well = await captionerOn(
      otherDevice((outputs, run) => {
        runs = run;
        return outputs;
      }),
    );
    const expected = await well.caption(pixels());
    expect(runs).toBeGreaterThan(CHECK + 4);
    // the vision encoder, the beginning, the question, a piece of the answer
    for (const failing of [CHECK + 1, CHECK + 2, CHECK + 3, runs - 1]) {
      const once = await captionerOn(otherDevice(only(failing, lostDevice)));
      const given = pixels();
      const call = once.caption(given);
      given.data.fill(0); // copied when the call was made
      expect(await call).toBe(expected);
      expect(once.device).toMatchObject({ name: 'cuda', rejected: [] });
      await once.dispose();
      const always = await captionerOn(otherDevice(from(failing, lostDevice)));
      expect(await always.caption(pixels())).toBe(expected);
      expect(always.device.name).toBe('cpu');
      await always.dispose();
    }
    await well.dispose();
  });

  test('a picture that was made ready for a lost GPU keeps its size, whatever the next device would take', async () => {
    const pixels = { data: new Uint8Array(96 * 96 * 3).fill(90), width: 96, height: 96, channels: 3 as const };
    const well = await captionerOn(otherDevice((outputs) => outputs));
    const expected = await well.caption(pixels);
    const { platform } = otherDevice(from(CHECK + 1, lostDevice));
    const model = ofUnknownSize(nanoVlm);
    const manifest = model.manifest as { image: object };
    const captioner = await Captioner.create<unknown>(
      {
        ...platform,
        autoDevices: () => ['cuda', 'wasm'],
        supportedDevices: ['cuda', 'wasm'],
        // as a machine whose WebAssembly is slow, which would take the smallest size
        readEmbeddings: async (keys) => keys.map((key) => (key.includes('vision speed') ? Float32Array.of(1e9) : null)),
      },
      { model: { ...model, manifest: { ...manifest, image: { ...manifest.image, sizes: [32, 64] } } }, worker: false },
    );
    expect(await captioner.caption(pixels)).toBe(expected);
    expect(captioner.device).toMatchObject({ name: 'wasm', rejected: [{ name: 'cuda' }] });
    for (const one of [captioner, well]) await one.dispose();
  });

  test('when no device is left, calls say so until one works again', async () => {
    let broken = false;
    const { platform } = otherDevice((outputs, run) => (broken ? lostDevice(outputs, run) : outputs));
    const captioner = await Captioner.create<unknown>(platform, {
      model: ofUnknownSize(nanoVlm),
      worker: false,
      device: 'cuda',
    });
    const encoded = await captioner.encodeImage(image);
    const caption = await captioner.caption(encoded);
    await using chat = captioner.chat(encoded);
    await chat.ask('What is it?');
    broken = true;
    for (const call of [() => chat.ask('Is it alive?'), () => captioner.caption(encoded)]) {
      await expect(call()).rejects.toMatchObject({ code: expect.stringMatching(/^DEVICE_/) });
    }
    broken = false;
    expect(await captioner.caption(encoded)).toBe(caption);
    expect(await chat.ask('Is it alive?')).not.toBe('');
    await captioner.dispose();
  });

  /** Captioners in a worker whose run number `count` from now on never ends. */
  const heldWorkers = () => withWorkers(new URL('./support/held-vlm-worker.mjs', import.meta.url));
  async function terminatedInRun(worker: Worker, count: number, call: () => Promise<string>): Promise<string> {
    const runs = new SharedArrayBuffer(8);
    const state = new Int32Array(runs);
    state[0] = count;
    worker.postMessage({ runs });
    const answer = call();
    await expect.poll(() => Atomics.load(state, 1), { timeout: 20_000 }).toBe(1);
    await worker.terminate();
    return answer;
  }

  test('a worker that was terminated is replaced', async () => {
    const machine = heldWorkers();
    const captioner = await Captioner.create<unknown>(machine.platform, { model: nanoVlm });
    const expected = await captioner.caption(image);
    await machine.workers[0]!.terminate();
    expect(await captioner.caption(image)).toBe(expected);
    // while it looks at the picture, while it begins, in the middle of its answer
    for (const [index, count] of [1, 2, 5].entries()) {
      const call = () => captioner.caption(image);
      expect(await terminatedInRun(machine.workers[index + 1]!, count, call)).toBe(expected);
    }
    expect(machine.workers).toHaveLength(5);
    await captioner.dispose();
  });

  test('pictures that were looked at survive their worker, too', async () => {
    const machine = heldWorkers();
    const captioner = await Captioner.create<unknown>(machine.platform, { model: nanoVlm });
    const encoded = await captioner.encodeImage(image);
    const expected = await captioner.caption(encoded);
    await machine.workers[0]!.terminate();
    expect(await captioner.caption(encoded)).toBe(expected);
    expect(await terminatedInRun(machine.workers[1]!, 3, () => captioner.caption(encoded))).toBe(expected);
    const bytes = await readFile(image);
    expect(await terminatedInRun(machine.workers[2]!, 5, () => captioner.caption(bytes))).toBe(expected);
    // what was sent to be looked at is gone
    const gone = terminatedInRun(machine.workers[3]!, 1, () => captioner.caption(bytes));
    await expect(gone).rejects.toMatchObject({ code: 'WORKER' });
    expect(await captioner.caption(bytes)).toBe(expected);
    expect(machine.workers).toHaveLength(5);
    await captioner.dispose();
  });
});

test('classifiers and embedders with the same options share one model, and the last one frees it', async () => {
  const machine = withWorkers();
  const [first, second, embedder] = await Promise.all([
    inWorker(machine),
    Classifier.create<unknown>(machine.platform, ['red', 'blue'], { model: nanoClip }),
    Embedder.create<unknown>(machine.platform, { model: nanoClip }),
  ]);
  expect(machine.workers).toHaveLength(1);
  await first.dispose();
  await first.dispose();
  await embedder.dispose();
  expect(await second.classify(picture('rose'))).toHaveLength(2);
  await second.dispose();
  expect(machine.workers[0]!.threadId).toBe(-1);
  const other = await Classifier.create<unknown>(machine.platform, labels, { model: nanoClip, numThreads: 1 });
  const different = await inWorker(machine);
  expect(machine.workers).toHaveLength(3);
  await other.dispose();
  await different.dispose();
});

test('a creation that is aborted does not take along another that shares its model', async () => {
  const machine = withWorkers();
  const stop = new AbortController();
  const aborted = Classifier.create<unknown>(machine.platform, labels, { model: nanoClip, signal: stop.signal });
  const other = inWorker(machine);
  stop.abort('no');
  await expect(aborted).rejects.toBe('no');
  expect(await top(await other, picture('rose'))).toBe('rose');
  await (await other).dispose();
});
