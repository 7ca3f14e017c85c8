/** The files of nanoVlm themselves, run without the captioner: against PyTorch's greedy answers. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Qwen2Tokenizer } from '@mclip/core';
import { nanoVlm } from '@mclip/nano';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';

interface Fixture {
  files: Record<string, string>;
  size: number;
  maxNewTokens: number;
  pictures: { label: string; rgb: string }[];
  cases: { picture: string; prompt: string; promptIds: number[]; ids: number[]; text: string; firstLogits: number[] }[];
}

const fixtureUrl = new URL('../../node/test/fixtures/nano-vlm-greedy.json', import.meta.url);
const fixture: Fixture = JSON.parse(await readFile(fixtureUrl, 'utf8'));
const manifest = nanoVlm.manifest as typeof import('../models/vlm/mclip.json');
const read = (file: string) => readFile(nanoVlm.fileUrl(file));
const { hidden, layers, kvHeads, headDim } = manifest.decoder;

test('every file of the manifest is there, hashes to what it says, and all are below 8 MB', async () => {
  const { vision, decoder } = manifest.graphs;
  const listed = [vision.files.w8, decoder.files.w8, manifest.embedding.files.fp16];
  let total = 0;
  for (const { file, bytes, sha256 } of [...listed, { ...manifest.text.tokenizer, bytes: null }]) {
    const data = await read(file);
    if (bytes !== null) expect(data.length).toBe(bytes);
    expect(createHash('sha256').update(data).digest('hex')).toBe(sha256);
    expect(fixture.files[file]).toBe(sha256);
    total += data.length;
  }
  expect(total).toBeLessThan(8_000_000);
});

test('prompts have the ids of the reference', async () => {
  const tokenizer = Qwen2Tokenizer.fromJSON(await readFile(nanoVlm.fileUrl('tokenizer.json'), 'utf8'));
  expect(tokenizer.vocabSize).toBe(manifest.embedding.rows);
  for (const { prompt, promptIds, ids, text } of fixture.cases) {
    const written =
      `<|im_start|>system\n${manifest.prompt.system}<|im_end|>\n<|im_start|>user\n${'<image>'.repeat(16)}\n${prompt}` +
      '<|im_end|>\n<|im_start|>assistant\n';
    expect(tokenizer.encode(written)).toEqual(promptIds);
    expect(tokenizer.decode(ids)).toBe(text);
  }
});

test('greedy answers are the tokens of PyTorch on the same numbers', async () => {
  const vision = await InferenceSession.create(await read('vision_encoder.w8.onnx'));
  const decoder = await InferenceSession.create(await read('decoder_model_merged.w8.onnx'));
  const table = await read('embed_tokens.fp16.bin');
  const tokenizer = Qwen2Tokenizer.fromJSON(await readFile(nanoVlm.fileUrl('tokenizer.json'), 'utf8'));
  const image = tokenizer.tokenId('<image>')!;
  const end = tokenizer.tokenId('<|im_end|>')!;
  const answers = new Set<string>();
  for (const { picture, prompt, promptIds, ids, firstLogits } of fixture.cases) {
    const { rgb } = fixture.pictures.find(({ label }) => label === picture)!;
    const features = await imageFeatures(vision, Buffer.from(rgb, 'base64'));
    const embeds = new Float32Array(promptIds.length * hidden);
    let place = 0;
    for (const [i, id] of promptIds.entries()) {
      const row = id === image ? features.subarray(place * hidden, ++place * hidden) : tableRow(table, id);
      embeds.set(row, i * hidden);
    }
    const { tokens, first } = await greedy(decoder, embeds, end, (id) => tableRow(table, id));
    expect(tokens, `${picture}: ${prompt}`).toEqual(ids);
    for (const [i, logit] of firstLogits.entries()) expect(first[i]).toBeCloseTo(logit, 3);
    answers.add(tokens.join());
  }
  expect(answers.size).toBeGreaterThan(fixture.pictures.length); // answers depend on picture and question
});

async function imageFeatures(vision: InferenceSession, rgb: Uint8Array): Promise<Float32Array> {
  const area = fixture.size ** 2;
  const pixels = new Float32Array(3 * area);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) pixels[c * area + i] = rgb[i * 3 + c]! / 255;
  const { image_features } = await vision.run({
    pixel_values: new Tensor('float32', pixels, [1, 3, fixture.size, fixture.size]),
  });
  return image_features!.data as Float32Array;
}

/** Little-endian half precision; the table has neither infinities nor NaN. */
function tableRow(table: Buffer, id: number): Float32Array {
  return Float32Array.from({ length: hidden }, (_, i) => {
    const bits = table.readUInt16LE((id * hidden + i) * 2);
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const value = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return bits & 0x8000 ? -value : value;
  });
}

async function greedy(
  decoder: InferenceSession,
  prompt: Float32Array,
  end: number,
  rowOf: (id: number) => Float32Array,
): Promise<{ tokens: number[]; first: Float32Array }> {
  const cacheNames = Array.from({ length: layers }, (_, i) => [`${i}.key`, `${i}.value`]).flat();
  let past = cacheNames.map(() => new Tensor('float32', new Float32Array(0), [1, kvHeads, 0, headDim]) as Tensor);
  let embeds = prompt;
  let total = prompt.length / hidden;
  let first: Float32Array | undefined;
  const tokens: number[] = [];
  while (tokens.length < fixture.maxNewTokens) {
    const feeds: Record<string, Tensor> = {
      inputs_embeds: new Tensor('float32', embeds, [1, embeds.length / hidden, hidden]),
      attention_mask: new Tensor('int64', new BigInt64Array(total).fill(1n), [1, total]),
    };
    for (const [i, name] of cacheNames.entries()) feeds[`past_key_values.${name}`] = past[i]!;
    const outputs = await decoder.run(feeds);
    const logits = outputs.logits!.data as Float32Array;
    first ??= logits;
    const best = logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));
    if (best === end) break;
    tokens.push(best);
    past = cacheNames.map((name) => outputs[`present.${name}`] as Tensor);
    embeds = rowOf(best);
    total++;
  }
  return { tokens, first: first! };
}
