/** A worker thread as core talks to it: it keeps the process alive only while calls are pending. */
import type { TransferListItem, Worker } from 'node:worker_threads';
import type { WorkerPort } from '@mclip/core/adapter';

export function workerPort(worker: Worker): WorkerPort {
  let started = false;
  worker.unref();
  return {
    post: (message, transfer) => worker.postMessage(message, transfer as TransferListItem[]),
    onMessage(listener) {
      worker.on('message', (message) => {
        started = true;
        listener(message);
      });
    },
    onExit(listener) {
      worker.on('error', (error: Error) => listener(started ? error : notStarted(error)));
      worker.on('messageerror', listener);
      worker.on('exit', (code) => listener(new Error(`exit code ${code}`)));
    },
    hold: () => worker.ref(),
    release: () => worker.unref(),
    terminate: async () => void (await worker.terminate()),
  };
}

/** Most often a bundler has made one file of the application and left the worker's script behind. */
function notStarted(cause: Error): Error {
  const advice =
    'its script did not start; if a bundler makes your server, it must leave @mclip/node and @mclip/nano out (Next.js: ' +
    "serverExternalPackages: ['@mclip/node', '@mclip/nano'])";
  return new Error(`${cause.message} (${advice})`, { cause });
}
