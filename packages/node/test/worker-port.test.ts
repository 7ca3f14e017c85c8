import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { workerPort } from '../src/worker-port.js';

/** Why the worker of this script stopped, after what it said. */
function stopped(script: string): Promise<{ reason: Error; said: unknown[] }> {
  return new Promise((resolve) => {
    const said: unknown[] = [];
    const port = workerPort(new Worker(script, { eval: true }));
    port.onMessage((message) => said.push(message));
    port.onExit((reason) => resolve({ reason, said }));
    port.hold();
  });
}

test('a script that does not start: what a bundler must leave out', async () => {
  const { reason, said } = await stopped("throw new SyntaxError('Cannot use import');");
  expect(said).toEqual([]);
  expect(reason.message).toMatch(/^Cannot use import \(.*serverExternalPackages/);
  expect(reason.cause).toBeInstanceOf(SyntaxError);
});

test('a worker that has answered stops for its own reason', async () => {
  const script =
    "require('node:worker_threads').parentPort.postMessage('ready'); setTimeout(() => { throw new Error('tired'); }, 50);";
  const { reason, said } = await stopped(script);
  expect(said).toEqual(['ready']);
  expect(reason.message).toBe('tired');
});
