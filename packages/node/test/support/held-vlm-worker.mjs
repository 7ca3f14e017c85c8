// As the captioner's worker of the package, but after the message { runs: SharedArrayBuffer } the run of onnxruntime that
// counts its first number down to 0 never begins, and its second number becomes 1: a worker that is terminated in the
// middle of a run can take the process along.
import { parentPort } from 'node:worker_threads';
import { InferenceSession } from 'onnxruntime-node';
import '../../dist/vlm-worker.js'; // listens first

let runs = null;
parentPort.on('message', (message) => {
  if (message.runs) runs = new Int32Array(message.runs);
});

const { run } = InferenceSession.prototype;
InferenceSession.prototype.run = async function (...args) {
  if (runs === null || Atomics.sub(runs, 0, 1) !== 1) return run.apply(this, args);
  Atomics.store(runs, 1, 1);
  return new Promise(() => {});
};
