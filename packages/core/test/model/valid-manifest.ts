/** A complete manifest as `mclip.json` holds it, like the one of `@mclip/nano`; fresh for every test. */
export function validManifest() {
  return {
    mclip: 1,
    name: 'tiny-clip',
    task: 'clip',
    dim: 192,
    licence: { id: 'MIT', notice: 'Trained on emoji art.' },
    image: { size: 64, fit: 'pad', interpolation: 'bicubic', mean: [0.5, 0.4, 0.3], std: [0.2, 0.3, 0.4] },
    text: { tokenizer: { file: 'tokenizer.json', sha256: 'a'.repeat(64) }, contextLength: 77, padId: 0 },
    logitScale: 87.5,
    logitBias: -10.25,
    scores: 'sigmoid',
    graphs: {
      vision: {
        input: 'pixel_values',
        output: 'image_embeds',
        files: {
          w8: { file: 'vision.w8.onnx', bytes: 2_000_000, sha256: 'b'.repeat(64) },
          fp32: { file: 'fp32/vision.onnx', bytes: 8_000_000, sha256: 'c'.repeat(64) },
        },
      },
      text: {
        input: 'input_ids',
        output: 'text_embeds',
        files: { w8: { file: 'text.w8.onnx', bytes: 4_000_000, sha256: 'd'.repeat(64) } },
      },
    },
    canary: { pattern: 1, vision: 'AAAAAA==', text: { inputText: 'a photo of a dog.', embedding: 'AAAAAA==' } },
  };
}

/** Only what has no default. */
export function smallestManifest() {
  return {
    mclip: 1,
    name: 'tiny-clip',
    task: 'clip',
    dim: 192,
    licence: { id: 'MIT' },
    image: { size: 64, interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] },
    text: {},
    logitScale: 100,
    graphs: { vision: { files: { fp32: { file: 'v.onnx' } } }, text: { files: { fp32: { file: 't.onnx' } } } },
  };
}
