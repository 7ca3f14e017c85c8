/** What is timed of captions beside ours, the same in Node.js and on a page: the decoder alone, and transformers.js. */

/** Keys and values of `length` tokens for every layer. */
function cacheOf({ layers, kvHeads, headDim }, length, Tensor) {
  const past = {};
  for (let layer = 0; layer < layers; layer++) {
    for (const part of ['key', 'value']) {
      const values = new Float32Array(kvHeads * length * headDim).fill(0.01);
      past[`past_key_values.${layer}.${part}`] = new Tensor('float32', values, [1, kvHeads, length, headDim]);
    }
  }
  return past;
}

/**
 * The decoder's steps alone, each on the cache of the last.
 * @returns (start, tokens) => tokens per second, the first step on a cache of `start` tokens
 */
export function decoderSteps(session, config, Tensor) {
  const { hidden } = config;
  const embeds = new Tensor('float32', new Float32Array(hidden).fill(0.02), [1, 1, hidden]);
  return async (start, tokens) => {
    let past = cacheOf(config, start, Tensor);
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
    return (tokens * 1000) / (performance.now() - startedAt);
  };
}

/** @returns (tokens) => when the decoder has taken in a prompt of `tokens` at once */
export function decoderWhole(session, config, Tensor) {
  const { hidden } = config;
  return async (tokens) => {
    const inputs_embeds = new Tensor('float32', new Float32Array(tokens * hidden).fill(0.02), [1, tokens, hidden]);
    const attention_mask = new Tensor('int64', new BigInt64Array(tokens).fill(1n), [1, tokens]);
    await session.run({ inputs_embeds, attention_mask, ...cacheOf(config, 0, Tensor) });
  };
}

/**
 * transformers.js as its documentation runs FastVLM.
 * @param loaded `{ processor, model, load_image, TextStreamer }`
 * @returns (picture, question, tokens) => times to the first token and between tokens
 */
export function peerCaptions({ processor, model, load_image, TextStreamer }, system) {
  nameBatch(model.sessions.decoder_model_merged);
  return async (picture, question, tokens) => {
    const text =
      `<|im_start|>system\n${system}<|im_end|>\n<|im_start|>user\n<image>\n${question}<|im_end|>\n` +
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
      timeToFirstTokenMs: times[0] - startedAt,
      tokensPerSecond: tokens > 1 ? ((tokens - 1) * 1000) / (times.at(-1) - times[0]) : 0,
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
