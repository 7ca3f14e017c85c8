/** A first start loads much code besides the model; what comes one after the other costs a round trip each. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './support/paths.js';
import { TestSite } from './support/test-site.js';

/** Scripts of the self-check and of new labels, needed when there is a session. */
const LATER = ['clip-canary', 'embed-prompts'];
/** Milliseconds until onnxruntime's file is sent all the same. */
const PATIENCE = 20_000;

/** onnxruntime's wasm, kept back until `LATER` was asked for. */
class KeptBack extends Blob {
  asked: string[] = [];

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const startedAt = performance.now();
    while (this.asked.length < LATER.length && performance.now() - startedAt < PATIENCE) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      this.asked = LATER.filter((name) => site.plain.log.some((path) => path.includes(`/${name}`)));
    }
    const wasm = await readFile(join(ROOT, 'packages/web/node_modules/onnxruntime-web/dist', WASM)).catch(() =>
      readFile(join(ROOT, 'node_modules/onnxruntime-web/dist', WASM)),
    );
    return Uint8Array.from(wasm).buffer;
  }
}

const WASM = 'ort-wasm-simd-threaded.wasm';
const keptBack = new KeptBack([], { type: 'application/wasm' });
const site = new TestSite({ files: { [`/onnxruntime-web/${WASM}`]: keptBack } });

test('what is needed after onnxruntime is asked for before it is there', async () => {
  await using page = await site.open();
  const label = await page.evaluate(async () => {
    const classifier = await mclip.createClassifier(['cat', 'dog', 'pizza'], {
      model: '/models/nano/',
      wasmPaths: '/onnxruntime-web/',
    });
    const [best] = await classifier.classify('/examples/node-classify/images/cat.png');
    await classifier.dispose();
    return best!.label;
  });
  expect(keptBack.asked).toEqual(LATER);
  expect(label).toBe('cat');
}, 60_000);
