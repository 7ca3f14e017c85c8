/** Captions in Chromium that are given up, in every phase: at once, with the reason, and nothing is harmed. */
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { TestSite } from './support/test-site.js';

const MODEL = '/packages/node/test/fixtures/tiny-vlm/';
/** What loading waits for once all files are there. Until it comes, only the signal can end the waiting. */
const AWAITED: Record<string, RegExp> = {
  'the tokenizer': /\/qwen2-tokenizer-.*\.js$/,
  onnxruntime: /\/ort\.wasm\..*\.mjs$/,
  "onnxruntime's wasm": /\.wasm$/,
  'the check of the first answer': /\/vlm-canary-.*\.js$/,
};
const PHASES = ['decoding the picture', 'vision', 'prefill', 'after a piece', 'after twelve pieces'] as const;

const site = new TestSite();
let page: Page;

beforeAll(async () => {
  page = await site.open();
});

// 50 ms are asked for; a busy machine may miss them once
describe('what is given up', { retry: 2 }, () => {
  test.each(Object.keys(AWAITED))('aborting while %s is awaited; loading again works', async (what) => {
    await using page = await site.open();
    const held = site.plain.hold(AWAITED[what]!);
    const started = await page.evaluateHandle((MODEL) => {
      const controller = new AbortController();
      const loading = mclip
        .createCaptioner({ model: MODEL, dtype: 'fp32', signal: controller.signal })
        .then(() => 'loaded')
        .catch((error) => error.message);
      return { controller, loading };
    }, MODEL);
    await held.asked;
    const { message, ms } = await page.evaluate(async ({ controller, loading }) => {
      const start = performance.now();
      controller.abort(new Error('enough'));
      const late = new Promise<string>((resolve) => setTimeout(resolve, 2000, 'goes on'));
      return { message: await Promise.race([loading, late]), ms: performance.now() - start };
    }, started);
    held.release();
    const tokens = await page.evaluate(async (MODEL) => {
      const captioner = await mclip.createCaptioner({ model: MODEL, dtype: 'fp32' });
      const image = { data: new Uint8Array(64 * 48 * 3).fill(90), width: 64, height: 48, channels: 3 as const };
      const { tokens } = await captioner.generate(image, { maxNewTokens: 4, resolution: 128 });
      await captioner.dispose();
      return tokens;
    }, MODEL);
    expect(message).toBe('enough');
    expect(ms).toBeLessThan(50);
    expect(tokens.length).toBeGreaterThan(0);
  });

  test.each(PHASES)('aborting, and disposing: %s', async (phase) => {
    const { aborted, disposed, before, after } = await page.evaluate(
      async ({ MODEL, phase }) => {
        const size = { width: 1600, height: 1200 };
        const data = Uint8Array.from({ length: 3 * size.width * size.height }, (_, i) => (i * 7919) >> 3);
        const image = { data, ...size, channels: 3 as const };
        const options = { prompt: 'What is this?', resolution: 256, maxNewTokens: 400, temperature: 3 };
        const captioner = await mclip.createCaptioner({ model: MODEL, dtype: 'fp32' });
        const few = { ...options, maxNewTokens: 6 };
        await captioner.generate(image, few);
        const { tokens: before, timings } = await captioner.generate(image, few);
        const vision = timings.timeToFirstTokenMs - timings.prefillMs - timings.visionMs;
        const waits = {
          'decoding the picture': 1,
          vision: vision + timings.visionMs / 2,
          prefill: vision + timings.visionMs + timings.prefillMs / 2,
          'after a piece': 0,
          'after twelve pieces': 0,
        };
        const pieces = { 'after a piece': 1, 'after twelve pieces': 12 }[phase as string] ?? 0;

        /** Ends an answer in this phase: how it ended, and after how long. */
        async function ended(end: () => unknown, signal?: AbortSignal) {
          const stream = captioner.stream(image, signal ? { ...options, signal } : options);
          for (let piece = 0; piece < pieces; piece++) await stream.next();
          const rest = (async () => {
            for await (const _ of stream);
            return 'went on';
          })().catch((error) => error.code ?? error.message);
          await new Promise((resolve) => setTimeout(resolve, waits[phase]));
          const start = performance.now();
          end();
          return { how: await rest, ms: performance.now() - start };
        }
        const controller = new AbortController();
        const aborted = await ended(() => controller.abort(new Error('enough')), controller.signal);
        const { tokens: after } = await captioner.generate(image, few);
        let disposing: Promise<void> | undefined;
        const disposed = await ended(() => {
          disposing = captioner.dispose();
        });
        await disposing;
        return { aborted, disposed, before, after };
      },
      { MODEL, phase },
    );
    console.log(`${phase}: aborted within ${aborted.ms.toFixed(1)} ms, disposed within ${disposed.ms.toFixed(1)} ms`);
    expect([aborted.how, disposed.how]).toEqual(['enough', 'DISPOSED']);
    expect(Math.max(aborted.ms, disposed.ms)).toBeLessThan(50);
    expect(after).toEqual(before);
  });
});
