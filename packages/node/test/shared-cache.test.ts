/** Caches that the decoder writes where it reads them: the same logits as with new tensors, and no two that mix. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nanoVlm } from '@mclip/nano';
import * as common from 'onnxruntime-common';
import { Tensor } from 'onnxruntime-node';
import { afterAll, describe, expect, test } from 'vitest';
import type { Session } from '../../core/src/platform.js';
import { Decoder } from '../../core/src/vlm/decoder.js';
import type { KvCache } from '../../core/src/vlm/kv-cache.js';
import { nodeRuntime } from '../src/runtime.js';

const folder = new URL('fixtures/tiny-vlm/', import.meta.url);
const { decoder: config, graphs } = JSON.parse(readFileSync(new URL('mclip.json', folder), 'utf8'));
type DecoderDtype = 'fp32' | 'w8' | 'q8' | 'q4' | 'q4f16';

const opened: Session[] = [];
async function sessionOf(file: string, dtype: DecoderDtype = 'fp32'): Promise<Session> {
  const session = await nodeRuntime.createSession(file, { device: 'cpu', numThreads: 1, dtype });
  opened.push(session);
  return session;
}
const tiny = (dtype: DecoderDtype) =>
  sessionOf(fileURLToPath(new URL(graphs.decoder.files[dtype].file, folder)), dtype);
afterAll(async () => {
  for (const session of opened) await session.release();
});

const embeds = (tokens: number, seed: number) =>
  Float32Array.from({ length: tokens * config.hidden }, (_, i) => Math.sin(i * 0.7 + seed * 13));

/** Logits of every step of a conversation: a prefix, a question, and an answer longer than any spare room. */
async function conversation(decoder: Decoder, seed = 0, prefix?: KvCache): Promise<Float32Array[]> {
  const start = prefix ?? (await prefixOf(decoder));
  const cache = start.continuation(5);
  const logits = [await decoder.next(embeds(5, 2 + seed), cache)];
  for (let step = 0; step < 150; step++) logits.push(await decoder.next(embeds(1, 3 + seed + step), cache));
  expect(cache.length).toBe(start.length + 155);
  cache.dispose();
  return logits.map((one) => one.slice());
}

async function prefixOf(decoder: Decoder): Promise<KvCache> {
  const prefix = decoder.emptyCache();
  await decoder.extend(embeds(20, 1), prefix);
  expect(prefix.length).toBe(20);
  return prefix;
}

describe.each<DecoderDtype>(['fp32', 'w8', 'q8', 'q4', 'q4f16'])('%s', (dtype) => {
  test('writing in place gives the logits of new tensors, bit for bit', async () => {
    const session = await tiny(dtype);
    const expected = await conversation(new Decoder(session, config));
    const decoder = new Decoder(session, config);
    expect(await decoder.tryInPlace(Tensor)).toBe(true);
    expect(await conversation(decoder)).toEqual(expected);
    expect(expected[150]).not.toEqual(expected[0]);
  });
});

/** A session whose runs go through `run`. */
const through = (session: Session, run: (...args: Parameters<Session['run']>) => Promise<unknown>): Session => ({
  inputNames: session.inputNames,
  outputNames: session.outputNames,
  inputMetadata: session.inputMetadata,
  release: () => session.release(),
  run: run as Session['run'],
});

test('in place, a run writes to the memory it reads, which moves only to grow', async () => {
  const session = await tiny('fp32');
  const memories: unknown[] = [];
  const watched = through(session, (feeds, fetches, options) => {
    const key = feeds['past_key_values.0.key'];
    expect((fetches as unknown as typeof feeds)['present.0.key']).toBe(memories.length < 2 ? null : key);
    memories.push(key);
    return session.run(feeds, fetches as never, options);
  });
  const decoder = new Decoder(watched, config);
  expect(await decoder.tryInPlace(Tensor)).toBe(true); // two runs with new tensors, two in place
  memories.splice(2);
  await conversation(decoder);
  const moves = memories.slice(2).filter((key, index, keys) => key !== keys[index - 1]).length;
  expect(moves).toBe(1 + 1 + Math.ceil(150 / 65)); // prefix, continuation, growth
});

test('continuations of one cache do not mix, whatever their order, and leave it as it was', async () => {
  const decoder = new Decoder(await tiny('fp32'), config);
  expect(await decoder.tryInPlace(Tensor)).toBe(true);
  const prefix = await prefixOf(decoder);
  const [a, b] = [await conversation(decoder, 1, prefix), await conversation(decoder, 2, prefix)];
  const together = await Promise.all([conversation(decoder, 1, prefix), conversation(decoder, 2, prefix)]);
  expect(together).toEqual([a, b]);
  expect(a).not.toEqual(b);
});

test('a run that fails leaves the cache where it was', async () => {
  const session = await tiny('fp32');
  let fails = false;
  const failing = through(session, async (...args) => {
    const outputs = await session.run(...args);
    if (fails) throw new Error('lost');
    return outputs;
  });
  const decoder = new Decoder(failing, config);
  expect(await decoder.tryInPlace(Tensor)).toBe(true);
  const [whole, broken] = [await prefixOf(decoder), await prefixOf(decoder)];
  const expected = await decoder.next(embeds(2, 4), whole);
  fails = true;
  await expect(decoder.next(embeds(3, 5), broken)).rejects.toThrow('lost');
  fails = false;
  expect(broken.length).toBe(20);
  expect(await decoder.next(embeds(2, 4), broken)).toEqual(expected);
});

test('a graph that joins its cache anew, and a runtime that writes elsewhere, are noticed', async () => {
  const { decoder: nanoConfig, graphs: nanoGraphs } =
    nanoVlm.manifest as typeof import('../../nano/models/vlm/mclip.json');
  const file = fileURLToPath(nanoVlm.fileUrl(nanoGraphs.decoder.files.w8.file));
  const joining = new Decoder(await sessionOf(file, 'w8'), { ...nanoConfig, logits: 'last' });
  expect(await joining.tryInPlace(Tensor)).toBe(false);
  const prefix = joining.emptyCache();
  await joining.extend(new Float32Array(2 * nanoConfig.hidden), prefix);
  expect(prefix.length).toBe(2);

  const session = await tiny('fp32');
  const foreign = new Decoder(session, config);
  expect(await foreign.tryInPlace(common.Tensor)).toBe(false); // another copy of the class
  const elsewhere = new Decoder(
    through(session, (feeds) => session.run(feeds)),
    config,
  );
  expect(await elsewhere.tryInPlace(Tensor)).toBe(false);
  expect(await conversation(elsewhere)).toEqual(await conversation(new Decoder(session, config)));
});
