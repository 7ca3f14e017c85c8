import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { onAbort, raceSignal } from '../src/abort.js';

let unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
});

afterEach(async () => {
  await sleep(5);
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

test('without a signal the promise itself comes back', async () => {
  const promise = Promise.resolve(1);
  expect(raceSignal(promise, undefined)).toBe(promise);
});

test('settles as the promise does', async () => {
  const { signal } = new AbortController();
  expect(await raceSignal(sleep(1, 'value'), signal)).toBe('value');
  await expect(raceSignal(Promise.reject(new Error('its own')), signal)).rejects.toThrow('its own');
});

test("aborting rejects at once with the signal's own reason", async () => {
  const controller = new AbortController();
  const reason = { why: 'enough' };
  const raced = raceSignal(new Promise(() => {}), controller.signal);
  controller.abort(reason);
  await expect(Promise.race([raced, sleep(500)])).rejects.toBe(reason);
});

test('a signal that is aborted already wins over a promise that is settled', async () => {
  await expect(raceSignal(Promise.resolve(1), AbortSignal.abort('no'))).rejects.toBe('no');
});

test('a late failure of dropped work is not an unhandled rejection', async () => {
  const failing = async () => {
    await sleep(2);
    throw new Error('late');
  };
  await expect(raceSignal(failing(), AbortSignal.abort('before'))).rejects.toBe('before');
  const controller = new AbortController();
  const raced = raceSignal(failing(), controller.signal);
  controller.abort('during');
  await expect(raced).rejects.toBe('during');
  await sleep(5);
});

test('aborting afterwards changes nothing', async () => {
  const controller = new AbortController();
  const raced = raceSignal(Promise.resolve(1), controller.signal);
  await raced;
  controller.abort();
  expect(await raced).toBe(1);
});

test('no listener stays on the signal', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  await raceSignal(Promise.resolve(1), signal);
  await raceSignal(Promise.reject(new Error('x')), signal).catch(() => {});
  await sleep(0);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  const raced = raceSignal(new Promise(() => {}), signal);
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  controller.abort('stop');
  await expect(raced).rejects.toBe('stop');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('one listener serves all who wait for a signal, and goes with the last of them', async () => {
  const { signal } = new AbortController();
  const waiting = Array.from({ length: 20 }, (_, index) => raceSignal(sleep(index), signal));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1); // Node.js warns of more than ten
  await Promise.all(waiting.slice(0, 10));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  await Promise.all(waiting);
  await sleep(1);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('all who wait hear of the end, but those who stopped waiting', () => {
  const controller = new AbortController();
  const heard: string[] = [];
  const stop = ['first', 'second', 'third'].map((name) => onAbort(controller.signal, () => heard.push(name)));
  stop[1]!();
  controller.abort();
  expect(heard).toEqual(['first', 'third']);
});
