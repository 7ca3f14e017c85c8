import { beforeAll, expect, test } from 'vitest';
import { launchChromium, openPage } from './support/browser.js';
import { expectSameRanking, type Ranked, rankedByNode } from './support/ranking.js';
import { SOFTWARE_GPU, TestSite } from './support/test-site.js';

const PICTURES = ['cat', 'dog', 'pizza', 'rocket', 'bicycle', 'umbrella', 'rose', 'train'];

const site = new TestSite({ args: SOFTWARE_GPU });
let expected: Ranked[][];

beforeAll(async () => {
  expected = await rankedByNode(PICTURES);
});

async function classifyInBrowser(
  isolated: boolean,
  options: { worker: boolean; device?: 'wasm' | 'webgpu' },
  pictures = PICTURES,
) {
  await using page = await site.open({ isolated });
  return await page.evaluate(
    async ({ options, pictures }) => {
      const classifier = await mclip.createClassifier(LABELS, { model: MODEL, ...options });
      const start = performance.now();
      const ranked = await classifier.classifyBatch(
        pictures.map((name) => `/examples/node-classify/images/${name}.png`),
      );
      const ms = (performance.now() - start) / pictures.length;
      const { device } = classifier;
      await classifier.dispose();
      return { ranked, device, ms, isolated: crossOriginIsolated, cores: navigator.hardwareConcurrency };
    },
    { options, pictures },
  );
}

for (const isIsolated of [false, true]) {
  for (const worker of [true, false]) {
    test(`wasm, ${isIsolated ? 'isolated' : 'not isolated'}, worker: ${worker}`, async () => {
      const result = await classifyInBrowser(isIsolated, { worker });
      const worst = expectSameRanking(result.ranked, expected);
      expect(result.isolated).toBe(isIsolated);
      expect(result.device.name).toBe('wasm');
      if (isIsolated) {
        expect(result.device.threads).toBe(Math.min(result.cores, 8));
        expect(result.device.reason).not.toContain('one thread');
      } else {
        expect(result.device.threads).toBe(1);
        expect(result.device.reason).toContain(
          'one thread: this page is not cross-origin isolated (COOP/COEP headers)',
        );
      }
      console.log(
        `${result.device.threads} thread(s), worker ${worker}: ${result.ms.toFixed(1)} ms a picture, scores within ${worst.toExponential(1)} of Node`,
      );
    });
  }
}

for (const worker of [true, false]) {
  test(`webgpu, worker: ${worker}`, async () => {
    // a GPU emulated on the CPU takes seconds for a picture
    const result = await classifyInBrowser(false, { worker, device: 'webgpu' }, PICTURES.slice(0, 2));
    const worst = expectSameRanking(result.ranked, expected);
    expect(result.device.name).toBe('webgpu');
    console.log(
      `webgpu, worker ${worker}: ${result.ms.toFixed(1)} ms a picture, scores within ${worst.toExponential(1)} of Node`,
    );
  }, 240_000);
}

test('webgpu without an adapter is a typed error', async () => {
  const bare = await launchChromium(['--disable-gpu', '--disable-features=WebGPU']);
  try {
    const page = await openPage(bare, site.plain.origin);
    const { error } = await page.evaluate(() =>
      attempt(() => mclip.createClassifier(['cat', 'dog'], { model: MODEL, device: 'webgpu' })),
    );
    expect(error).toMatchObject({ name: 'MclipError', code: 'DEVICE_UNAVAILABLE' });
    expect(error!.message).toContain("'wasm'");
  } finally {
    await bare.close();
  }
});
