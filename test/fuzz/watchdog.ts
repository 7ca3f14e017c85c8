/** An input that never ends would say nothing: a thread beside it names it and ends the process. */
import { Worker } from 'node:worker_threads';

/** Of the clock: far beyond what any input may take, on the busiest of machines. */
const PATIENCE = 30_000;

const script = `
  const { parentPort, workerData } = require('node:worker_threads');
  let last = { count: 0, input: '' };
  let since = Date.now();
  parentPort.on('message', (input) => (last = { count: last.count + 1, input }));
  let seen = 0;
  setInterval(() => {
    if (last.count !== seen) [seen, since] = [last.count, Date.now()];
    if (Date.now() - since < workerData.patience) return;
    require('node:fs').writeSync(2, workerData.name + ': no end of input ' + last.count + ', ' + last.input + '\\n');
    process.kill(process.pid, 'SIGKILL');
  }, 1000);
`;

export interface Watchdog extends Disposable {
  /** Another input is looked at. */
  next(input: unknown): void;
}

export function watched(name: string): Watchdog {
  const worker = new Worker(script, { eval: true, workerData: { name, patience: PATIENCE } });
  worker.unref();
  return {
    next: (input) => worker.postMessage(shown(input)),
    [Symbol.dispose]: () => void worker.terminate(),
  };
}

function shown(input: unknown): string {
  const text = input instanceof Uint8Array ? Buffer.from(input).toString('base64') : (JSON.stringify(input) ?? '');
  return text.slice(0, 20_000);
}
