/** A worker thread as core talks to it: it keeps the process alive only while calls are pending. */
import type { TransferListItem, Worker } from 'node:worker_threads';
import type { WorkerPort } from '@mclip/core/adapter';

export function workerPort(worker: Worker): WorkerPort {
  worker.unref();
  return {
    post: (message, transfer) => worker.postMessage(message, transfer as TransferListItem[]),
    onMessage: (listener) => void worker.on('message', listener),
    onExit(listener) {
      worker.on('error', listener);
      worker.on('messageerror', listener);
      worker.on('exit', (code) => listener(new Error(`exit code ${code}`)));
    },
    hold: () => worker.ref(),
    release: () => worker.unref(),
    terminate: async () => void (await worker.terminate()),
  };
}
