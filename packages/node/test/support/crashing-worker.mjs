// As the worker of the package, but a picture of which a part of 13 x 13 pixels is asked for stops it.
import { parentPort } from 'node:worker_threads';
import { rawReader, serveClipEncoder } from '@mclip/core/adapter';
import { InferenceSession } from 'onnxruntime-node';
import sharp from 'sharp';

const runtime = {
  createSession: (file) => InferenceSession.create(file, { executionProviders: ['cpu'] }),
  async decodeImage({ bytes }) {
    const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return rawReader({ data: new Uint8Array(data), width: info.width, height: info.height, channels: 3 });
  },
};

parentPort.on('message', ({ args }) => {
  if (args?.image?.region?.width === 13) {
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
