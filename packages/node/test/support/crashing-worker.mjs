// As the worker of the package, but a picture of which a part of 13 x 13 pixels is asked for stops it, and so does the
// message { stop: true }. After { hold: true } pictures are never decoded: a worker that stops in the middle of a run of
// onnxruntime can take the process along.
import { parentPort } from 'node:worker_threads';
import { pixelsReader, serveClipEncoder } from '@mclip/core/adapter';
import { InferenceSession } from 'onnxruntime-node';
import sharp from 'sharp';

let held = false;

const runtime = {
  createSession: (file) => InferenceSession.create(file, { executionProviders: ['cpu'] }),
  async decodeImage(source) {
    if (held) await new Promise(() => {});
    if (source.kind === 'pixels') return pixelsReader(source);
    const { bytes } = source;
    const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return pixelsReader({ data: new Uint8Array(data), width: info.width, height: info.height, channels: 3 });
  },
};

parentPort.on('message', ({ args, hold, stop }) => {
  held ||= hold === true;
  if (stop || args?.image?.region?.width === 13) {
    setImmediate(() => {
      throw new Error('deliberately');
    });
  }
});
serveClipEncoder(
  {
    post: (message, transfer) => parentPort.postMessage(message, transfer),
    onMessage: (listener) => parentPort.on('message', listener),
  },
  async () => runtime,
);
