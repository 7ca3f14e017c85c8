/** Entry of the worker that decodes, preprocesses and computes for one CLIP model. */
import { parentPort, type TransferListItem } from 'node:worker_threads';
import { serveClipEncoder } from '@mclip/core/adapter';

const port = parentPort!;

serveClipEncoder(
  {
    post: (message, transfer) => port.postMessage(message, transfer as TransferListItem[]),
    onMessage: (listener) => void port.on('message', listener),
  },
  async () => (await import('./runtime.js')).nodeRuntime,
);
