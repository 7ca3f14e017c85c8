/** Entry of the worker that decodes, preprocesses and computes for one captioner. */
import { serveVlmEngine } from '@mclip/core/adapter';
import { webRuntime } from '../runtime.js';

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;

interface DedicatedWorkerGlobalScope {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent) => void): void;
}

serveVlmEngine(
  {
    post: (message, transfer) => scope.postMessage(message, transfer),
    onMessage: (listener) => scope.addEventListener('message', ({ data }) => listener(data)),
  },
  async (settings) => webRuntime(settings),
);
