/** Starts the worker, and says what went wrong when it does not start. */
import { MclipError } from '@mclip/core';
import type { ResolvedSettings, WorkerPort, WorkerTask } from '@mclip/core/adapter';
import { pageUrl } from './page-url.js';

/** For a script that loads but is not ours and never answers, milliseconds. */
const START_TIMEOUT = 60_000;

/** @throws {MclipError} `WORKER` when the browser refuses the URL at once. */
export function startWorker({ workerUrl }: ResolvedSettings, task: WorkerTask): WorkerPort {
  const asked = workerUrl === undefined ? null : scriptUrl(workerUrl, task);
  try {
    // bundlers look for exactly these expressions, and webpack makes one script of workers with one name
    const worker =
      asked !== null
        ? new Worker(asked, { type: 'module', name: `mclip-${task}` })
        : task === 'clip'
          ? new Worker(new URL('./worker/clip-worker.js', import.meta.url), { type: 'module', name: 'mclip-clip' })
          : new Worker(new URL('./vlm-worker/vlm-worker.js', import.meta.url), { type: 'module', name: 'mclip-vlm' });
    return workerPort(worker, asked);
  } catch (cause) {
    throw new MclipError('WORKER', `The worker cannot start: ${advice(asked, (cause as Error).message)}`, { cause });
  }
}

/** `workerUrl` is the classifier's script; the captioner's folder lies beside its folder, as in the package. */
function scriptUrl(workerUrl: string | URL, task: WorkerTask): string {
  const url = pageUrl(workerUrl);
  return task === 'clip' ? url : new URL('../vlm-worker/vlm-worker.js', url).href;
}

function workerPort(worker: Worker, asked: string | null): WorkerPort {
  let started = false;
  let exit = (_reason: Error) => {};
  const fail = (why: string) => {
    clearTimeout(timer);
    worker.terminate();
    exit(new Error(started ? why : advice(asked, why)));
  };
  const timer = setTimeout(() => fail(`no answer within ${START_TIMEOUT / 1000} s`), START_TIMEOUT);
  worker.addEventListener('error', (event) => {
    event.preventDefault();
    fail(event.message || 'its script could not be loaded');
  });
  worker.addEventListener('messageerror', () => fail('a message could not be read'));
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    onMessage(listener) {
      worker.addEventListener('message', ({ data }) => {
        started = true;
        clearTimeout(timer);
        listener(data);
      });
    },
    onExit(listener) {
      exit = listener;
    },
    hold() {},
    release() {},
    async terminate() {
      clearTimeout(timer);
      worker.terminate();
    },
  };
}

function advice(asked: string | null, why: string): string {
  const where = asked === null ? 'the script that the bundler should have emitted' : `workerUrl ${asked}`;
  return (
    `${where} did not start (${why}). It must be served as JavaScript from this page's origin, with the page's COEP ` +
    'header if it has one, and be allowed by worker-src. With Vite, add the plugin of @mclip/web/vite; otherwise copy ' +
    '@mclip/web/dist/worker and set workerUrl to its clip-worker.js, or pass worker: false.'
  );
}
