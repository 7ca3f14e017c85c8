/** GPUs that go away while a model runs on them, in a real browser: the answer comes all the same, and it is the right one. */
import type { Page } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { SOFTWARE_GPU, TestSite } from './support/test-site.js';

const site = new TestSite({ args: SOFTWARE_GPU });

declare const gpus: { destroy(): void }[];

/** A page that holds every GPU device that is made on its own thread. */
async function open(): Promise<Page> {
  const page = await site.open();
  onTestFinished(() => page.close());
  await page.evaluate(() => {
    const gpus: object[] = [];
    const { prototype } = (globalThis as unknown as { GPUAdapter: { prototype: { requestDevice(): Promise<object> } } })
      .GPUAdapter;
    const { requestDevice } = prototype;
    prototype.requestDevice = async function (...args: []) {
      const gpu = await requestDevice.apply(this, args);
      gpus.push(gpu);
      return gpu;
    };
    Object.assign(globalThis, { gpus });
  });
  return page;
}

test('an adapter in software passes the self-check when it is named, and auto leaves it out', async () => {
  const page = await open();
  const devices = await page.evaluate(async () => {
    const manifest = await (await fetch(`${MODEL}mclip.json`)).json();
    for (const graph of Object.values(manifest.graphs) as { files: { w8: { bytes: number | null } } }[]) {
      graph.files.w8.bytes = null; // of unknown size, so that auto thinks of the GPU
    }
    const model = { manifest, fileUrl: (file: string) => new URL(MODEL + file, location.href) };
    const devices = [];
    for (const device of ['webgpu', 'auto'] as const) {
      const classifier = await mclip.createClassifier(LABELS, { model, device });
      devices.push(classifier.device);
      await classifier.dispose();
    }
    return devices;
  });
  expect(devices[0]).toMatchObject({ name: 'webgpu', rejected: [] });
  expect(devices[1]).toMatchObject({ name: 'wasm', rejected: [{ name: 'webgpu' }] });
  expect(devices[1]!.rejected[0]!.why).toContain('emulated in software');
  expect(devices[1]!.rejected[0]!.why).toContain('swiftshader');
}, 240_000);

test('destroy() on this thread', async () => {
  const page = await open();
  const outcome = await page.evaluate(async () => {
    const cat = '/examples/node-classify/images/cat.png';
    const expected = await mclip.createClassifier(LABELS, { model: MODEL });
    const classifier = await mclip.createClassifier(LABELS, { model: MODEL, device: 'webgpu', worker: false });
    const before = await classifier.classify(cat);
    const made = gpus.length;
    for (const gpu of gpus) gpu.destroy();
    const after = await attempt(() => classifier.classify(cat));
    const again = await attempt(() => classifier.classify(cat));
    await classifier.dispose();
    return { expected: await expected.classify(cat), before, made, after, again, remade: gpus.length - made };
  });
  console.log(
    `destroyed ${outcome.made}, made ${outcome.remade} anew; ${JSON.stringify(outcome.after.error ?? 'right')}`,
  );
  expect(outcome.made).toBe(1);
  expect(outcome.remade).toBe(1);
  for (const ranked of [outcome.before, outcome.after.value!, outcome.again.value!]) {
    expect(ranked[0]!.label).toBe(outcome.expected[0]!.label);
    expect(ranked[0]!.score).toBeCloseTo(outcome.expected[0]!.score, 4);
  }
}, 240_000);

test('the GPU process crashes under a worker', async () => {
  const page = await open();
  let workers = 0;
  page.on('worker', () => workers++);
  await page.evaluate(async () => {
    const classifier = await mclip.createClassifier(LABELS, { model: MODEL, device: 'webgpu' });
    Object.assign(globalThis, { classifier });
  });
  const session = await site.browser.newBrowserCDPSession();
  const classify = () =>
    page.evaluate(() =>
      attempt(() =>
        (
          globalThis as unknown as { classifier: Awaited<ReturnType<typeof mclip.createClassifier>> }
        ).classifier.classify('/examples/node-classify/images/cat.png'),
      ),
    );
  expect((await classify()).value![0]!.label).toBe('cat');
  await session.send('Browser.crashGpuProcess' as 'Browser.getVersion').catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = await classify();
  console.log(`after the crash: ${JSON.stringify(after.error ?? after.value![0])}`);
  expect(after.value![0]!.label).toBe('cat');
  expect(workers).toBe(2);
}, 240_000);
