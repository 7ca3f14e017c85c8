/** transformers.js on the files of one of our model folders, as its documentation runs FastVLM. */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { peerCaptions } from './caption-loops.mjs';

let made = 0;
const SUFFIX = { fp32: '', fp16: '_fp16', q4: '_q4', q8: '_quantized' };

/**
 * @param folder of the model; a folder of links in the layout that transformers.js expects is made beside it
 * @param dtypes `{ vision, decoder }` as in the manifest
 * @param decoderFile in place of the manifest's
 * @returns (picture, question, tokens) => times to the first token and between tokens
 */
export async function createPeer(folder, dtypes, decoderFile) {
  const { AutoModelForImageTextToText, AutoProcessor, env, load_image, TextStreamer } = await import(
    '@huggingface/transformers'
  );
  const manifest = JSON.parse(readFileSync(join(folder, 'mclip.json'), 'utf8'));
  const { vision, decoder, embed } = manifest.graphs;
  const embedDtype = embed.files.fp16 ? 'fp16' : 'fp32';
  const name = `peer-${basename(folder)}-${process.pid}-${++made}`;
  const home = join(dirname(folder), name);
  mkdirSync(join(home, 'onnx'), { recursive: true });
  process.on('exit', () => rmSync(home, { recursive: true, force: true }));
  const link = (file, as) => symlinkSync(join(folder, file), join(home, 'onnx', as));
  link(vision.files[dtypes.vision].file, 'vision_encoder.onnx');
  link(decoderFile ?? decoder.files[dtypes.decoder].file, `decoder_model_merged${SUFFIX[dtypes.decoder]}.onnx`);
  link(embed.files[embedDtype].file, `embed_tokens${SUFFIX[embedDtype]}.onnx`);
  symlinkSync(join(folder, 'tokenizer.json'), join(home, 'tokenizer.json'));
  for (const [file, config] of Object.entries(peerConfigs(folder, manifest))) {
    if (existsSync(join(folder, file))) symlinkSync(join(folder, file), join(home, file));
    else writeFileSync(join(home, file), JSON.stringify(config));
  }

  env.allowRemoteModels = false;
  env.localModelPath = dirname(folder);
  const processor = await AutoProcessor.from_pretrained(name);
  const model = await AutoModelForImageTextToText.from_pretrained(name, {
    dtype: { vision_encoder: 'fp32', embed_tokens: embedDtype, decoder_model_merged: dtypes.decoder },
    device: 'cpu',
  });

  return peerCaptions({ processor, model, load_image, TextStreamer }, manifest.prompt.system);
}

/** Where the folder has no such file. */
export function peerConfigs(folder, { decoder, embedding, image }) {
  const { added_tokens } = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8'));
  const idOf = (content) => added_tokens.find((token) => token.content === content).id;
  return {
    'config.json': {
      model_type: 'llava_qwen2',
      architectures: ['LlavaQwen2ForCausalLM'],
      image_token_index: idOf('<image>'),
      hidden_size: decoder.hidden,
      num_hidden_layers: decoder.layers,
      num_attention_heads: decoder.hidden / decoder.headDim,
      num_key_value_heads: decoder.kvHeads,
      eos_token_id: idOf('<|im_end|>'),
      vocab_size: embedding.rows,
    },
    'preprocessor_config.json': {
      processor_class: 'LlavaProcessor',
      image_processor_type: 'CLIPImageProcessor',
      do_resize: true,
      size: { shortest_edge: image.size },
      resample: 3,
      do_center_crop: true,
      crop_size: { height: image.size, width: image.size },
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: false,
      do_convert_rgb: true,
    },
    'processor_config.json': {
      processor_class: 'LlavaProcessor',
      image_token: '<image>',
      patch_size: image.patch,
      num_additional_image_tokens: 0,
    },
    'tokenizer_config.json': { tokenizer_class: 'Qwen2Tokenizer', eos_token: '<|im_end|>' },
  };
}
