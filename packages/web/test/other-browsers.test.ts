/**
 * Smoke tests beyond Chromium. A browser that is not installed is skipped, and said so; with MCLIP_REQUIRE_BROWSERS=1,
 * as in CI, it is a failure. WebKitGTK is tested with MCLIP_TEST_WEBKIT=1 only: its wasm engine now and then stops
 * onnxruntime with "Out of bounds memory access" (docs/web.md).
 */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { firefox } from './support/firefox.js';
import type { LaunchedBrowser } from './support/other-browser.js';
import { IMAGE_FOLDER } from './support/paths.js';
import { expectSameRanking, type Ranked, rankedByNode } from './support/ranking.js';
import { type Files, startServer, type TestServer } from './support/server.js';
import { webkit } from './support/webkit.js';

const PICTURES = ['cat', 'pizza', 'rocket', 'umbrella'];

const BROWSERS = process.env.MCLIP_TEST_WEBKIT ? [firefox, webkit] : [firefox];

for (const { name, missing, launch } of BROWSERS) {
  if (missing !== null) {
    if (process.env.MCLIP_REQUIRE_BROWSERS) throw new Error(`${name} must be tested, but ${missing}.`);
    console.log(`${name} is skipped: ${missing}.`);
  }

  describe.skipIf(missing !== null)(name, { retry: 2 }, () => {
    let browser: LaunchedBrowser;
    let plain: TestServer;
    let isolated: TestServer;
    let expected: Ranked[][];

    beforeAll(async () => {
      const files = await pictureFiles();
      [browser, plain, isolated, expected] = await Promise.all([
        launch(),
        startServer({ files }),
        startServer({ isolated: true }),
        rankedByNode(PICTURES),
      ]);
      console.log(`${name}: ${browser.version}`);
    }, 240_000);

    afterAll(() => Promise.all([browser?.close(), plain?.close(), isolated?.close()]), 60_000);

    for (const isIsolated of [false, true]) {
      for (const worker of [true, false]) {
        test(`wasm, ${isIsolated ? 'isolated' : 'not isolated'}, worker: ${worker}`, async () => {
          const result = await browser.run(
            (isIsolated ? isolated : plain).origin,
            async ({ worker, pictures }) => {
              const classifier = await mclip.createClassifier(LABELS, { model: MODEL, worker });
              const ranked = await classifier.classifyBatch(
                pictures.map((picture) => `/examples/node-classify/images/${picture}.png`),
              );
              const { threads } = classifier.device;
              await classifier.dispose();
              return { ranked, threads, isolated: crossOriginIsolated };
            },
            { worker, pictures: PICTURES },
          );
          const worst = expectSameRanking(result.ranked, expected);
          expect(result.isolated).toBe(isIsolated);
          if (isIsolated) expect(result.threads).toBeGreaterThan(1);
          else expect(result.threads).toBe(1);
          console.log(
            `${name}, ${result.threads} thread(s), worker ${worker}: scores within ${worst.toExponential(1)} of Node`,
          );
        }, 240_000);
      }
    }

    test('pictures of other formats are decoded alike', async () => {
      const similar = await browser.run(
        plain.origin,
        async () => {
          const embedder = await mclip.createEmbedder({ model: MODEL });
          const reference = await embedder.encodeImage('/files/upright.png');
          const like = async (image: import('@mclip/web').ImageSource) =>
            mclip.similarity(reference, await embedder.encodeImage(image));
          const shown = Object.assign(new Image(), { src: '/files/upright.png' });
          const similar = {
            'JPEG with EXIF orientation': await like('/files/turned.jpg'),
            WebP: await like('/files/upright.webp'),
            SVG: await like('/files/picture.svg'),
            '<img>': await like(shown),
            ImageBitmap: await like(await createImageBitmap(await (await fetch('/files/upright.png')).blob())),
          };
          await embedder.dispose();
          return similar;
        },
        null,
      );
      for (const [format, value] of Object.entries(similar)) expect(value, format).toBeGreaterThan(0.98);
    }, 240_000);

    test('frames of a video are labelled', async () => {
      const turns = await browser.run(
        plain.origin,
        async () => {
          const classifier = await mclip.createClassifier(LABELS, { model: MODEL });
          const bitmap = await createImageBitmap(await (await fetch('/files/upright.png')).blob());
          const canvas = document.createElement('canvas');
          [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
          document.body.append(canvas);
          const context = canvas.getContext('2d')!;
          const draw = () => context.drawImage(bitmap, 0, 0);
          draw();
          const drawing = setInterval(draw, 30);
          const still = (await classifier.classify(canvas))[0]!.label;
          const turns: { width: number; label: string | null; still: string | null }[] = [];
          for await (const { frame, results } of classifier.watch(canvas.captureStream(), {
            signal: AbortSignal.timeout(100_000),
          })) {
            if (turns.push({ width: frame.width, label: results[0]!.label, still }) === 5) break;
          }
          clearInterval(drawing);
          await classifier.dispose();
          return turns;
        },
        null,
      );
      const { still } = turns[0]!;
      expect(turns).toEqual(Array.from({ length: 5 }, () => ({ width: 300, label: still, still })));
    }, 240_000);

    test('what is no picture is a typed error', async () => {
      const codes = await browser.run(
        plain.origin,
        async () => {
          const classifier = await mclip.createClassifier(LABELS, { model: MODEL });
          const codes = [];
          for (const image of [new Blob(['no picture']), '/files/none.png', new Uint8Array(0)]) {
            codes.push((await attempt(() => classifier.classify(image))).error?.code);
          }
          await classifier.dispose();
          codes.push((await attempt(() => classifier.classify(new Blob(['late'])))).error?.code);
          return codes;
        },
        null,
      );
      expect(codes).toEqual(['IMAGE_DECODE', 'IMAGE_DECODE', 'IMAGE_DECODE', 'DISPOSED']);
    }, 240_000);
  });
}

/** The same picture in several formats. */
async function pictureFiles(): Promise<Files> {
  const cat = await readFile(`${IMAGE_FOLDER}/cat.png`);
  const opaque = sharp(cat).flatten({ background: '#ffffff' }).resize(300, 200, { fit: 'fill' });
  const upright = await opaque.clone().png().toBuffer();
  const turned = opaque.clone().rotate(270).jpeg({ quality: 95 }).withMetadata({ orientation: 6 });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 200">
    <image width="300" height="200" href="data:image/png;base64,${upright.toString('base64')}"/></svg>`;
  const as = (type: string, content: Buffer<ArrayBuffer> | string) => new Blob([content], { type });
  return {
    '/files/upright.png': as('image/png', upright),
    '/files/turned.jpg': as('image/jpeg', await turned.toBuffer()),
    '/files/upright.webp': as('image/webp', await opaque.clone().webp({ quality: 95 }).toBuffer()),
    '/files/picture.svg': as('image/svg+xml', svg),
  };
}
