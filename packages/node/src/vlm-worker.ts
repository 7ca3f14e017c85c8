/** Entry of the worker that decodes, preprocesses and computes for one captioner. */
import { parentPort, type TransferListItem } from 'node:worker_threads';
import { serveVlmEngine } from '@mclip/core/adapter';

const port = parentPort!;

serveVlmEngine(
  {
    post: (message, transfer) => port.postMessage(message, transfer as TransferListItem[]),
    onMessage: (listener) => void port.on('message', listener),
  },
  async () => (await import('./runtime.js')).nodeRuntime,
);
