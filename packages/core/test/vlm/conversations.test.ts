import { expect, test } from 'vitest';
import { type ChatState, Conversations } from '../../src/vlm/conversations.js';
import type { KvCache } from '../../src/vlm/kv-cache.js';

/** Caches that were disposed of, by name. */
function caches() {
  const freed: string[] = [];
  const cache = (name: string) => ({ length: 0, dispose: () => void freed.push(name) }) as unknown as KvCache;
  const after = (turns: number): ChatState => ({ turns, cache: cache(`turn ${turns}`), unfed: [], history: [] });
  return { freed, cache, after };
}

const neverAsked = () => Promise.reject(new Error('no picture was asked about'));

test('a turn that its caller has not seen is taken back', () => {
  const { freed, after } = caches();
  const conversations = new Conversations(neverAsked);
  const [one, two] = [after(1), after(2)];
  expect(conversations.chatAfter(7, 0)).toBeUndefined();
  conversations.addTurn(7, undefined, one);
  conversations.addTurn(7, one, two);
  expect(conversations.chatAfter(7, 1)).toBe(one);
  expect(freed).toEqual(['turn 2']);
  conversations.addTurn(7, one, two);
  expect(conversations.chatAfter(7, 2)).toBe(two);
  expect(freed).toEqual(['turn 2', 'turn 1']);
  conversations.forgetChat(7);
  expect(freed).toEqual(['turn 2', 'turn 1', 'turn 2']);
  expect(conversations.chatAfter(7, 2)).toBeUndefined();
});

test('a turn that ends after the end is not kept', () => {
  const { freed, after } = caches();
  const conversations = new Conversations(neverAsked);
  conversations.end();
  conversations.addTurn(7, undefined, after(1));
  expect(freed).toEqual(['turn 1']);
  expect(conversations.chatAfter(7, 1)).toBeUndefined();
});

test('the beginning of a picture is computed once for each system text, and freed when its last user has done', async () => {
  const { freed, cache } = caches();
  const asked: string[] = [];
  const conversations = new Conversations(async ([first], system) => {
    asked.push(`${first} ${system}`);
    if (system === 'bad' && asked.length === 1) throw new Error('once');
    return cache(system);
  });
  conversations.addPicture(3, Float32Array.of(5));
  await expect(conversations.withPrefix(3, 'bad', async () => {})).rejects.toThrow('once');
  await conversations.withPrefix(3, 'bad', async () => {}); // tried again
  await conversations.withPrefix(3, 'good', async () => {});
  await conversations.withPrefix(3, 'good', async () => {
    conversations.forgetPicture(3);
    await Promise.resolve();
    expect(freed).toEqual([]);
  });
  await Promise.resolve();
  expect(asked).toEqual(['5 bad', '5 bad', '5 good']);
  expect(freed.sort()).toEqual(['bad', 'good']);
  await expect(conversations.withPrefix(3, 'good', async () => {})).rejects.toMatchObject({ code: 'DISPOSED' });
});
