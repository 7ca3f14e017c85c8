import { expect, test } from 'vitest';
import { textStream } from '../../src/vlm/text-stream.js';

const later = (ms = 1) => new Promise((resolve) => setTimeout(resolve, ms));

test('pieces come while the text is written, in order', async () => {
  let finished = false;
  const stream = textStream(async (onText) => {
    for (const delta of ['a', 'b', 'c']) {
      onText(delta);
      await later(5);
    }
    finished = true;
  }, undefined);
  const seen: [string, boolean][] = [];
  for await (const delta of stream) seen.push([delta, finished]);
  expect(seen.map(([delta]) => delta).join('')).toBe('abc');
  expect(seen[0]).toEqual(['a', false]);
});

test('what was written before a failure is read before it is thrown', async () => {
  const failure = new Error('no more');
  const stream = textStream(async (onText) => {
    onText('x');
    throw failure;
  }, undefined);
  expect(await stream.next()).toEqual({ done: false, value: 'x' });
  await expect(stream.next()).rejects.toBe(failure);
});

test('leaving the loop stops the writer', async () => {
  let seenSignal: AbortSignal | null = null;
  const stream = textStream(async (onText, signal) => {
    seenSignal = signal;
    for (let i = 0; !signal.aborted; i++) {
      onText(String(i));
      await later();
    }
  }, undefined);
  for await (const delta of stream) if (delta === '3') break;
  expect(seenSignal!.aborted).toBe(true);
});

test("the caller's signal reaches the writer with its own reason", async () => {
  const controller = new AbortController();
  const stream = textStream(
    (_onText, signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    controller.signal,
  );
  const next = stream.next();
  controller.abort('enough');
  await expect(next).rejects.toBe('enough');
});

test('nothing is written before the first piece is asked for', async () => {
  let started = false;
  const stream = textStream(async () => {
    started = true;
  }, undefined);
  await later();
  expect(started).toBe(false);
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});
