/** What a captioner asks of its sessions: what they are fed with, how often they run, and what of theirs is freed. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Captioner, type CaptionerOptions, Qwen2Tokenizer } from '@mclip/core';
import type { Session } from '@mclip/core/adapter';
import { Tensor } from 'onnxruntime-node';
import { afterAll, expect, test } from 'vitest';
import { Decoder } from '../../core/src/vlm/decoder.js';
import { optionLogProbabilities } from '../../core/src/vlm/score-options.js';
import { picture } from '../../core/test/image/picture.js';
import { nodeRuntime } from '../src/runtime.js';
import { otherDevice, type Spoil } from './support/other-device.js';

const model = fileURLToPath(new URL('fixtures/tiny-vlm', import.meta.url));
const manifest = JSON.parse(readFileSync(`${model}/mclip.json`, 'utf8'));
const { decoder: config } = manifest;
const { cases } = JSON.parse(readFileSync(new URL('fixtures/tiny-vlm-reference.json', import.meta.url), 'utf8'));
const image = { ...picture('smooth', 256, 256, 3), channels: 3 as const };
const VOCABULARY = 576;

/** On a device of which nothing is known: every run gives new tensors. */
const captionerOn = (spoil: Spoil, options: CaptionerOptions = {}) =>
  Captioner.create<unknown>(otherDevice(spoil).platform, {
    model,
    dtype: 'fp32',
    device: 'cuda',
    worker: false,
    ...options,
  });

/** Tensors of caches that were given out and not disposed of. */
function counted() {
  const live = new Set<unknown>();
  const spoil: Spoil = (outputs) => {
    for (const [name, tensor] of Object.entries(outputs)) {
      if (!name.startsWith('present')) continue;
      live.add(tensor);
      const dispose = tensor.dispose.bind(tensor);
      tensor.dispose = () => {
        if (!live.delete(tensor)) throw new Error(`${name} disposed of twice`);
        dispose();
      };
    }
    return outputs;
  };
  return { live, spoil };
}

test('every tensor of a cache is freed once: after answers, choices, failures, turns taken back, and pictures', async () => {
  const { live, spoil } = counted();
  let failsIn = Infinity;
  const captioner = await captionerOn((outputs, run) => {
    const given = spoil(outputs, run);
    if (--failsIn === 0) given.logits!.data.fill(Number.NaN as never);
    return given;
  });
  expect(live.size).toBe(0); // of the self-check
  const perCache = 2 * config.layers;
  const encoded = await captioner.encodeImage(image);
  await captioner.caption(encoded, { maxNewTokens: 5 });
  expect(live.size).toBe(perCache); // the picture's own
  await captioner.choose(encoded, 'Which?', [' yes', ' no', ' neither of them']);
  expect(live.size).toBe(perCache);
  let pieces = 0;
  for await (const _ of captioner.stream(encoded, { maxNewTokens: 300, temperature: 3 })) if (++pieces === 3) break;
  await captioner.caption(encoded, { maxNewTokens: 2 }); // the run that was under way is over
  expect(live.size).toBe(perCache);

  const chat = captioner.chat(encoded);
  await chat.ask('What?', { maxNewTokens: 4 });
  expect(live.size).toBe(2 * perCache);
  await chat.ask('And?', { maxNewTokens: 4 });
  await chat.ask('And then?', { maxNewTokens: 4 });
  expect(live.size).toBe(3 * perCache); // this turn and the one before
  await chat.dispose();
  expect(live.size).toBe(perCache);
  await encoded.dispose();
  expect(live.size).toBe(0);
  failsIn = 5;
  await captioner.caption(image, { maxNewTokens: 20, temperature: 3 }).catch(() => {});
  expect(live.size).toBe(0);
  await captioner.dispose();
});

test('after an abort the decoder finishes its step and makes no other', async () => {
  let runs = 0;
  const captioner = await captionerOn((outputs) => {
    runs++;
    return outputs;
  });
  const controller = new AbortController();
  const running = captioner.caption(image, { maxNewTokens: 800, temperature: 3, signal: controller.signal });
  const before = runs;
  while (runs < before + 8) await new Promise((resolve) => setImmediate(resolve));
  controller.abort(new Error('enough'));
  await expect(running).rejects.toThrow('enough');
  const aborted = runs;
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(runs - aborted).toBeLessThanOrEqual(1);
  await captioner.dispose();
});

test("an answer ends where the model's context does", async () => {
  const captioner = await captionerOn((outputs) => outputs);
  const ask = (words: number, maxNewTokens: number) =>
    captioner.generate(image, { maxNewTokens, temperature: 1000, prompt: 'long '.repeat(words) });
  const [ten, twenty] = [(await ask(10, 1)).promptTokens, (await ask(20, 1)).promptTokens];
  const words = 10 + Math.floor((10 * (config.contextLength - 12 - ten)) / (twenty - ten));
  const { promptTokens, tokens, finishReason } = await ask(words, 500);
  expect(promptTokens + tokens.length).toBe(config.contextLength);
  expect(finishReason).toBe('length');
  await captioner.dispose();
});

test('a repetition penalty counts what was said before: the system text, the question, the answer so far', async () => {
  const captioner = await captionerOn((outputs) => outputs);
  const { question, ids } = cases[0];
  const { tokens } = await captioner.generate(image, { prompt: question, maxNewTokens: 60, repetitionPenalty: 1e6 });
  expect(tokens.length).toBeGreaterThan(20);
  expect(new Set(tokens).size).toBe(tokens.length);
  expect(tokens.filter((id) => ids.includes(id))).toEqual([]);
  await captioner.dispose();
});

test('with little memory one session is open at a time, and a picture leaves none behind', async () => {
  const device = otherDevice((outputs) => outputs);
  const captioner = await Captioner.create<unknown>(device.platform, {
    ...{ model, dtype: 'fp32', device: 'cpu', worker: false, memory: 'low' },
  });
  for (let i = 0; i < 3; i++) {
    await captioner.caption(image, { maxNewTokens: 2 });
    expect(device.open()).toBe(1);
  }
  await captioner.dispose();
  expect(device.open()).toBe(0);
});

test('a repetition penalty punishes words of the system text and of the question, too', async () => {
  const captioner = await captionerOn((outputs) => outputs);
  const tokenizer = Qwen2Tokenizer.fromJSON(readFileSync(`${model}/tokenizer.json`, 'utf8'));
  const encoded = await captioner.encodeImage(image);
  const likely = new Set<number>();
  for (let i = 0; i < 40; i++) {
    const prompt = String.fromCharCode(65 + i);
    likely.add((await captioner.generate(encoded, { prompt, maxNewTokens: 1 })).tokens[0]!);
  }
  const said = tokenizer.decode(likely);
  for (const words of [{ prompt: said }, { prompt: 'A', system: said }]) {
    const seen = new Set(tokenizer.encode(said, { specialTokens: false }));
    const options = { ...words, maxNewTokens: 1 };
    const { tokens } = await captioner.generate(encoded, { ...options, repetitionPenalty: 1e6 });
    expect(seen.has(tokens[0]!)).toBe(false);
  }
  await captioner.dispose();
});

test('an option is as likely as its tokens and its end are, one after the other', async () => {
  const file = `${model}/${manifest.graphs.decoder.files.fp32.file}`;
  const session = await nodeRuntime.createSession(file, { device: 'cpu', numThreads: 1 });
  opened.push(session);
  const decoder = new Decoder(session, config);
  const row = (id: number) => Float32Array.from({ length: config.hidden }, (_, i) => Math.sin(id * 7 + i));
  const rows = {
    read: async (ids: readonly number[], target: Float32Array) =>
      ids.forEach((id, i) => void target.set(row(id), i * config.hidden)),
    dispose: async () => {},
  };
  const tokenizer = { vocabSize: VOCABULARY } as Qwen2Tokenizer;
  const language = {
    decoder,
    rows,
    tokenizer,
    stopIds: new Set<number>(),
    contextLength: 1024,
    inTurn: <T>(run: () => T) => run(),
  };
  const prompt = [4, 9, 2];
  const options = [[5, 1], [5, 8, 3, 1], [1]];
  const scores = await optionLogProbabilities(language as never, prompt, decoder.emptyCache(), options, undefined);
  for (const [index, ids] of options.entries()) {
    let expected = 0;
    for (const [at, id] of ids.entries()) {
      const before = [...prompt, ...ids.slice(0, at)]; // in one run
      const embeds = new Float32Array(before.length * config.hidden);
      await rows.read(before, embeds);
      const logits = await decoder.next(embeds, decoder.emptyCache());
      expected += logits[id]! - Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0));
    }
    expect(scores[index]).toBeCloseTo(expected, 3);
  }
});

const opened: Session[] = [];
afterAll(async () => {
  for (const session of opened) await session.release();
});

test('graphs that ask for positions get those of the tokens, and of all logits the last are taken', async () => {
  const file = `${model}/${manifest.graphs.decoder.files.fp32.file}`;
  const session = await nodeRuntime.createSession(file, { device: 'cpu', numThreads: 1 });
  opened.push(session);
  const positions: number[][] = [];
  const asking: Session = {
    inputNames: [...session.inputNames, 'position_ids'],
    outputNames: session.outputNames,
    inputMetadata: session.inputMetadata,
    release: () => session.release(),
    run: (async ({ position_ids, ...feeds }: Record<string, Tensor>, fetches: never, options: object) => {
      const ids = Array.from(position_ids!.data as BigInt64Array, Number);
      positions.push(ids);
      const outputs = await session.run(feeds, fetches, options);
      const last = outputs.logits!.data as Float32Array;
      const all = new Float32Array(ids.length * VOCABULARY);
      all.set(last, all.length - VOCABULARY);
      return { ...outputs, logits: new Tensor('float32', all, [1, ids.length, VOCABULARY]) };
    }) as unknown as Session['run'],
  };
  const embeds = (tokens: number) => Float32Array.from({ length: tokens * config.hidden }, (_, i) => Math.sin(i));
  const answers = async (decoder: Decoder) => {
    const cache = decoder.emptyCache();
    return [await decoder.next(embeds(4), cache), await decoder.next(embeds(1), cache)].map((one) => one.slice());
  };
  expect(await answers(new Decoder(asking, config))).toEqual(await answers(new Decoder(session, config)));
  expect(positions).toEqual([[0, 1, 2, 3], [4]]);
});
