/**
 * Memory of the page and its workers together (JavaScript heaps, buffers, wasm) stays flat, and no worker stays behind.
 * One thread: Chromium cannot measure while onnxruntime's threads sleep.
 */
import type { Page } from 'playwright-core';
import { expect, onTestFinished, test } from 'vitest';
import { TestSite } from './support/test-site.js';

const CLASSIFICATIONS = Number(process.env.MCLIP_CLASSIFICATIONS ?? 1000);
const PARTS = 8;

// memory is measured at once instead of with the next garbage collection
const site = new TestSite({ args: ['--enable-blink-features=ForceEagerMeasureMemory'] });

async function open(): Promise<Page> {
  const page = await site.open({ isolated: true });
  onTestFinished(() => page.close());
  await page.evaluate(() => {
    // not in TypeScript's DOM library
    const measuring = performance as unknown as { measureUserAgentSpecificMemory(): Promise<{ bytes: number }> };
    const megabytes = async () => (await measuring.measureUserAgentSpecificMemory()).bytes / 1e6;
    Object.assign(globalThis, { megabytes });
  });
  return page;
}

declare const megabytes: () => Promise<number>;

const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

for (const worker of [true, false]) {
  test(`${CLASSIFICATIONS} classifications, worker: ${worker}`, async () => {
    const page = await open();
    const measured = await page.evaluate(
      async ({ worker, parts, runs }) => {
        const classifier = await mclip.createClassifier(LABELS, { model: MODEL, worker, numThreads: 1 });
        const blob = await (await fetch('/examples/node-classify/images/cat.png')).blob();
        const bitmap = await createImageBitmap(blob);
        const bytes = new Uint8Array(await blob.arrayBuffer());
        const sources = [blob, bitmap, bytes, '/examples/node-classify/images/dog.png'];
        const measured: number[] = [];
        for (let part = 0; part < parts; part++) {
          for (let i = 0; i < runs; i++) await classifier.classify(sources[i % sources.length]!);
          measured.push(await megabytes());
        }
        await classifier.dispose();
        return measured;
      },
      { worker, parts: PARTS, runs: CLASSIFICATIONS / PARTS },
    );
    console.log(`MB, worker ${worker}: ${measured.map((value) => value.toFixed(1)).join(' ')}`);
    const [second, last] = [mean(measured.slice(2, 4)), mean(measured.slice(6))];
    expect(measured[0]).toBeGreaterThan(10); // onnxruntime's memory is counted
    expect(last / second).toBeLessThan(1.05);
  }, 600_000);
}

test('30 create/dispose cycles leave no worker and no memory behind', async () => {
  const page = await open();
  const devtools = await page.context().newCDPSession(page);
  // the page's own: what workers had is gone with them
  const heapMegabytes = async () => {
    await devtools.send('HeapProfiler.collectGarbage');
    return (await devtools.send('Runtime.getHeapUsage')).usedSize / 1e6;
  };
  const measured: number[] = [];
  for (let tens = 0; tens < 3; tens++) {
    await page.evaluate(async () => {
      for (let i = 0; i < 10; i++) {
        const classifier = await mclip.createClassifier(['cat', 'dog'], { model: MODEL });
        if (i === 0) await classifier.classify('/examples/node-classify/images/cat.png');
        await classifier.dispose();
      }
    });
    measured.push(await heapMegabytes());
  }
  console.log(`MB after 10, 20 and 30 cycles: ${measured.map((value) => value.toFixed(2)).join(' ')}`);
  await expect.poll(() => page.workers().length, { timeout: 5000 }).toBe(0);
  expect(measured[2]! - measured[1]!).toBeLessThan(0.2);
}, 300_000);
