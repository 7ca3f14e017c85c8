/** The page's half of bench/web-captions.mjs: one side, opened once, then asked again and again. */
import { decoderSteps, peerCaptions } from './caption-loops.mjs';

const peerOrt = '/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.asyncify';
const picture = '/tools/real/models/images/photo-451x300.jpg';
let ask;

async function openOurs({ resolution, ...options }) {
  const { createCaptioner } = await import('@mclip/web');
  const captioner = await createCaptioner(options);
  ask = async (prompt, maxNewTokens) => {
    const { timings, tokens, promptTokens } = await captioner.generate(picture, { prompt, maxNewTokens, resolution });
    if (tokens.length !== maxNewTokens) throw new Error(`${tokens.length} tokens`); // it ended early
    return {
      tokensPerSecond: timings.tokensPerSecond,
      timeToFirstTokenMs: timings.timeToFirstTokenMs,
      promptTokens,
    };
  };
  const { dtype, reason } = captioner.device;
  return { dtype, reason };
}

/** The decoder's steps alone, each on the cache of the last. */
async function openBare({ model, dtype, threads, start }) {
  const { env, InferenceSession, Tensor } = await import('onnxruntime-web/wasm');
  env.wasm.numThreads = threads;
  const { decoder, graphs } = await (await fetch(`${model}mclip.json`)).json();
  const bytes = new Uint8Array(await (await fetch(model + graphs.decoder.files[dtype].file)).arrayBuffer());
  const session = await InferenceSession.create(bytes, { executionProviders: ['wasm'], logSeverityLevel: 3 });
  const steps = decoderSteps(session, decoder, Tensor);
  ask = async (_, tokens) => ({ tokensPerSecond: await steps(start, tokens) });
}

async function openPeer({ name, dtype, threads }) {
  const { AutoModelForImageTextToText, AutoProcessor, env, load_image, TextStreamer } = await import(
    '@huggingface/transformers'
  );
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = '/peer/';
  env.useBrowserCache = false;
  env.backends.onnx.wasm.numThreads = threads;
  env.backends.onnx.wasm.wasmPaths = { mjs: `${peerOrt}.mjs`, wasm: `${peerOrt}.wasm` };
  const processor = await AutoProcessor.from_pretrained(name);
  const model = await AutoModelForImageTextToText.from_pretrained(name, {
    dtype: { vision_encoder: 'fp32', embed_tokens: 'fp16', decoder_model_merged: dtype },
    device: 'wasm',
  });
  const caption = peerCaptions({ processor, model, load_image, TextStreamer }, 'You are a helpful assistant.');
  ask = (question, tokens) => caption(picture, question, tokens);
}

globalThis.bench = { openOurs, openBare, openPeer, run: (question, tokens) => ask(question, tokens) };
