/** Whole processes: they end by themselves, with and without dispose, and memory stays flat. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);
const cwd = fileURLToPath(new URL('..', import.meta.url));
const picture = fileURLToPath(new URL('../../../examples/node-classify/images/cat.png', import.meta.url));

const node = async (script: string, ...flags: string[]) =>
  (await run('node', [...flags, '--input-type=module', '-e', script], { cwd, timeout: 120_000 })).stdout.trim();

const imports = `
  import { nanoClip } from '@mclip/nano';
  import { createClassifier } from '@mclip/node';
  const picture = ${JSON.stringify(picture)};
`;

test.each([true, false])('a process exits by itself after dispose (worker: %s)', async (worker) => {
  const script = `${imports}
    const classifier = await createClassifier(['cat', 'dog'], { model: nanoClip, worker: ${worker} });
    const results = await classifier.classify(picture);
    await classifier.dispose();
    console.log(results.length);`;
  expect(await node(script)).toBe('2');
});

test('a process that forgets to dispose still exits', async () => {
  const script = `${imports}
    const classifier = await createClassifier(['cat', 'dog'], { model: nanoClip });
    console.log((await classifier.classify(picture)).length);`;
  expect(await node(script)).toBe('2');
});

test.each([true, false])('it works inside of a worker thread, which ends by itself (worker: %s)', async (worker) => {
  const inside = `${imports}
    import { parentPort } from 'node:worker_threads';
    const classifier = await createClassifier(['cat', 'dog'], { model: nanoClip, worker: ${worker} });
    parentPort.postMessage((await classifier.classify(picture))[0].label);
    await classifier.dispose();`;
  const script = `
    import { Worker } from 'node:worker_threads';
    const code = ${JSON.stringify(inside)};
    const worker = new Worker(code, { eval: true, execArgv: ['--input-type=module'] });
    worker.on('message', (label) => console.log(label));
    worker.on('exit', (code) => console.log(code));`;
  expect(await node(script)).toBe('cat\n0');
});

test('the event loop stays free while a worker computes', async () => {
  const script = `${imports}
    import { monitorEventLoopDelay } from 'node:perf_hooks';
    const classifier = await createClassifier(['cat', 'dog'], { model: nanoClip });
    await classifier.warmup();
    const lag = monitorEventLoopDelay({ resolution: 5 });
    lag.enable();
    await Promise.all(Array.from({ length: 100 }, () => classifier.classify(picture)));
    lag.disable();
    await classifier.dispose();
    console.log(lag.percentile(50) / 1e6);`;
  expect(Number(await node(script))).toBeLessThan(20);
});

test('50 classifiers made and disposed leave no memory behind', async () => {
  const script = `${imports}
    const labels = ['cat', 'dog'];
    const resident = [];
    for (let cycle = 0; cycle < 50; cycle++) {
      const classifier = await createClassifier(labels, { model: nanoClip, worker: cycle % 2 === 0 });
      await classifier.classify(picture);
      await classifier.dispose();
      gc();
      resident.push(process.memoryUsage().rss / 2 ** 20);
    }
    const mean = (values) => values.reduce((sum, value) => sum + value) / values.length;
    console.log(JSON.stringify([mean(resident.slice(12, 25)), mean(resident.slice(37))]));`;
  const [second, last] = JSON.parse(await node(script, '--expose-gc')) as [number, number];
  console.log(`resident memory, second and last quarter of 50 cycles: ${second.toFixed(0)} and ${last.toFixed(0)} MB`);
  expect(last).toBeLessThan(second * 1.15);
});
