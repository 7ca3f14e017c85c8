/** Files of a model that are read in parts are closed again, however loading or running ends. */
import { readdirSync, readFileSync, readlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Captioner, type CaptionerOptions, MclipError } from '@mclip/core';
import { createCaptioner } from '@mclip/node';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { otherDevice } from './support/other-device.js';

const tinyVlm = fileURLToPath(new URL('./fixtures/tiny-vlm', import.meta.url));
const grey = { data: new Uint8Array(3 * 64 * 64).fill(128), width: 64, height: 64, channels: 3 } as const;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mclip-open-'));
  await cp(tinyVlm, folder, { recursive: true });
});
afterEach(() => rm(folder, { recursive: true }));

const create = (options: CaptionerOptions = {}) =>
  createCaptioner({ model: folder, cacheDir: join(folder, 'cache'), dtype: 'fp32', worker: false, ...options });

/** Of this process, on Linux. */
function openFiles(): string[] {
  const target = (fd: string) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return ''; // the directory that was read
    }
  };
  return readdirSync('/proc/self/fd')
    .map(target)
    .filter((path) => path.startsWith(folder));
}

const onLinux = test.runIf(process.platform === 'linux'); // elsewhere nothing tells what is open

onLinux('one that runs holds one file, its rows, and lets go of it', async () => {
  const captioner = await create();
  expect(openFiles()).toHaveLength(1);
  const stream = captioner.stream(grey, { maxNewTokens: 400, temperature: 3 });
  await stream.next();
  const disposing = captioner.dispose();
  await expect(stream.next()).rejects.toMatchObject({ code: 'DISPOSED' });
  await disposing;
  expect(openFiles()).toEqual([]);
});

onLinux('loads that are aborted', async () => {
  let aborted = 0;
  for (let round = 0; round < 20; round++) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), round * 2);
    await create({ signal: controller.signal }).then(
      (captioner) => captioner.dispose(),
      () => aborted++,
    );
  }
  expect(aborted).toBeGreaterThan(5);
  await expect.poll(openFiles).toEqual([]);
});

onLinux.each<[string, () => void]>([
  ['a table that is too short', () => truncateSync(join(folder, 'embed_tokens.fp16.bin'), 100)],
  ['a decoder that is none', () => writeFileSync(join(folder, 'decoder_model_merged.onnx'), 'no decoder')],
  [
    'a graph that is no decoder',
    () => writeFileSync(join(folder, 'decoder_model_merged.onnx'), readFileSync(join(folder, 'vision_encoder.onnx'))),
  ],
])('%s', async (_, damage) => {
  damage();
  const path = join(folder, 'mclip.json');
  const known = readFileSync(path, 'utf8').replaceAll(/"(bytes|sha256)": ("[0-9a-f]+"|\d+)/g, '"$1": null');
  writeFileSync(path, known); // else the damage is found before
  await expect(create()).rejects.toMatchObject({ code: 'MODEL_CORRUPT' });
  expect(openFiles()).toEqual([]);
});

onLinux('a half-precision file that cannot be read to its end', async () => {
  const { openFile } = await import('../src/open-file.js');
  await expect(openFile(join(folder, 'missing'))).rejects.toMatchObject({ code: 'STORAGE' });
  const { nodeRuntime } = await import('../src/runtime.js');
  const creating = nodeRuntime.createSession(folder, { device: 'cpu', numThreads: 1, dtype: 'fp16' }); // a directory
  await expect(creating).rejects.toBeInstanceOf(MclipError);
  expect(openFiles()).toEqual([]);
});

onLinux('a device that is lost', async () => {
  let broken = false;
  const { platform } = otherDevice((outputs) => {
    if (broken) throw new MclipError('DEVICE_LOST', 'the GPU hung up');
    return outputs;
  });
  const options = { model: folder, dtype: 'fp32', device: 'cuda', worker: false } as const;
  const known = { ...platform, supportedDevices: ['cuda', 'cpu'] as const };
  const captioner = await Captioner.create<unknown>(known, options);
  expect(openFiles()).toHaveLength(1);
  broken = true;
  await expect(captioner.caption(grey)).rejects.toMatchObject({ code: 'DEVICE_LOST' });
  broken = false;
  await captioner.caption(grey, { maxNewTokens: 1 });
  expect(openFiles()).toHaveLength(1);
  await captioner.dispose();
  expect(openFiles()).toEqual([]);
});
