import { expect, test } from 'vitest';
import { Spoken, told } from '../../src/vlm/spoken.js';
import { thrown } from '../thrown.js';

const never = new AbortController().signal;
const lost = new Error('lost');

/** Says the pieces, then fails or is done. */
const answer = (pieces: string[], error?: Error) => async (say: (delta: string) => void, signal: AbortSignal) => {
  for (const piece of pieces) {
    await null;
    if (signal.aborted) break;
    say(piece);
  }
  if (error !== undefined) throw error;
  return { text: pieces.join('') };
};

function listener() {
  const heard: string[] = [];
  return { heard, spoken: new Spoken((delta) => heard.push(delta)) };
}

test('a repetition is heard from where the first was broken off, whatever its pieces', async () => {
  const { heard, spoken } = listener();
  await expect(spoken.tell(never, answer(['A ', 'red'], lost))).rejects.toBe(lost);
  await expect(spoken.tell(never, answer(['A', ' r'], lost))).rejects.toBe(lost);
  expect(await spoken.tell(never, answer(['A r', 'ed ro', 'se.']))).toEqual({ text: 'A red rose.' });
  expect(heard).toEqual(['A ', 'red', ' ro', 'se.']);
});

test.each([
  ['goes on otherwise', ['A ', 'blue rose.']],
  ['ends earlier', ['A ']],
  ['differs within a piece', ['A rob']],
])('one that %s is no answer, and nothing of it is heard', async (_, pieces) => {
  const { heard, spoken } = listener();
  await expect(spoken.tell(never, answer(['A ', 'red'], lost))).rejects.toBe(lost);
  const again = await spoken.tell(never, answer(pieces));
  expect(again).toBeNull();
  expect(heard).toEqual(['A ', 'red']);
  expect(thrown('DEVICE_LOST', () => told(again)).message).toContain('Ask again');
});

test('it is stopped as soon as it differs', async () => {
  const { spoken } = listener();
  await expect(spoken.tell(never, answer(['red'], lost))).rejects.toBe(lost);
  let signalled = false;
  const again = await spoken.tell(never, async (say, signal) => {
    say('blue');
    signalled = signal.aborted;
    return new Promise<{ text: string }>(() => {});
  });
  expect(again).toBeNull();
  expect(signalled).toBe(true);
});

test("the caller's abort is its own reason", async () => {
  const { spoken } = listener();
  const controller = new AbortController();
  const reason = new Error('enough');
  const running = spoken.tell(controller.signal, () => new Promise<{ text: string }>(() => {}));
  controller.abort(reason);
  await expect(running).rejects.toBe(reason);
});
