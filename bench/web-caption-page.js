/** The page's half of bench/web-captions.mjs: one side, opened once, then asked again and again. */
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
      firstTokenMs: timings.timeToFirstTokenMs,
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
  const { hidden, layers, kvHeads, headDim } = decoder;
  const embeds = new Tensor('float32', new Float32Array(hidden).fill(0.02), [1, 1, hidden]);
  ask = async (_, tokens) => {
    let past = {};
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ['key', 'value']) {
        const values = new Float32Array(kvHeads * start * headDim).fill(0.01);
        past[`past_key_values.${layer}.${part}`] = new Tensor('float32', values, [1, kvHeads, start, headDim]);
      }
    }
    const ones = new BigInt64Array(start + tokens).fill(1n);
    const startedAt = performance.now();
    for (let step = 1; step <= tokens; step++) {
      const attention_mask = new Tensor('int64', ones.subarray(0, start + step), [1, start + step]);
      const outputs = await session.run({ inputs_embeds: embeds, attention_mask, ...past });
      past = {};
      for (const name of session.outputNames) {
        if (name !== 'logits') past[name.replace('present', 'past_key_values')] = outputs[name];
      }
    }
    return { tokensPerSecond: (tokens * 1000) / (performance.now() - startedAt) };
  };
}

/** transformers.js as its documentation runs FastVLM. */
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
  nameBatch(model.sessions.decoder_model_merged);
  ask = async (question, tokens) => {
    const text =
      `<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<image>\n${question}<|im_end|>\n` +
      '<|im_start|>assistant\n';
    const startedAt = performance.now();
    const inputs = await processor(await load_image(picture), text, { add_special_tokens: false });
    const at = [];
    const streamer = new TextStreamer(processor.tokenizer, {
      skip_prompt: true,
      callback_function: () => {},
      token_callback_function: () => at.push(performance.now()),
    });
    await model.generate({ ...inputs, max_new_tokens: tokens, do_sample: false, streamer });
    if (at.length < tokens) throw new Error(`${at.length} tokens`); // it ended early
    const times = at.slice(-tokens);
    return {
      tokensPerSecond: ((tokens - 1) * 1000) / (times.at(-1) - times[0]),
      firstTokenMs: times[0] - startedAt,
      promptTokens: inputs.input_ids.dims[1],
    };
  };
}

/** It makes the first, empty cache from the graph's names of dimensions, and knows one name for the batch. */
function nameBatch(session) {
  const inputMetadata = session.inputMetadata.map((input) => ({
    ...input,
    shape: input.shape.map((dim, axis) => (axis === 0 && typeof dim === 'string' ? 'batch_size' : dim)),
  }));
  Object.defineProperty(session, 'inputMetadata', { value: inputMetadata });
}

globalThis.bench = { openOurs, openBare, openPeer, run: (question, tokens) => ask(question, tokens) };
