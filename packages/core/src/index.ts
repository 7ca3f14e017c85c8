/** Parts for people who build their own; `@mclip/node` and `@mclip/web` put them together. */
export type {
  Classification,
  ClassifierOptions,
  ClassifyOptions,
  StreamOptions,
} from './clip/classifier.js';
export { Classifier } from './clip/classifier.js';
export type { LabelOptions } from './clip/embed-labels.js';
export type { EncodeOptions } from './clip/embedder.js';
export { Embedder } from './clip/embedder.js';
export type { Preprocessing } from './clip/encoder.js';
export { l2Normalize } from './clip/l2-normalize.js';
export type { LabelSetJson } from './clip/label-set.js';
export { LabelSet } from './clip/label-set.js';
export type { ModelOptions } from './clip/model-options.js';
export type { Templates } from './clip/prompts.js';
export type { ScoreFunction } from './clip/score.js';
export { similarity, softmax } from './clip/score.js';
export type { Watched } from './clip/watch.js';
export type { Settings } from './configure.js';
export { configure } from './configure.js';
export type { MclipErrorCode } from './errors.js';
export { MclipError } from './errors.js';
export type { RawImage } from './image/portable-pixels.js';
export { preprocess } from './image/preprocess.js';
export type { Region } from './image/region.js';
export { resize } from './image/resize.js';
export type { RgbImage } from './image/rgb-image.js';
export type { Availability } from './model/availability.js';
export type { Device } from './model/device.js';
export type { BundledModel, ModelSpec } from './model/locate.js';
export type { Canary, Dtype, ImageConfig, Manifest, ManifestFile, ManifestGraph } from './model/manifest.js';
export { parseManifest } from './model/manifest.js';
export type { Preset } from './model/presets.js';
export { presets } from './model/presets.js';
export type { OnProgress, Progress } from './model/progress.js';
export type { DeviceName } from './platform.js';
export type { Models, StoredFile, StoredModel, VerifiedModel } from './store/models.js';
export { ClipTokenizer } from './text/clip-tokenizer.js';
export { loadClipTokenizer } from './text/load-clip-tokenizer.js';
export { Qwen2Tokenizer } from './text/qwen2-tokenizer.js';
export type { Caption, CaptionTimings } from './vlm/caption-result.js';
export type { Choice, WatchedCaption } from './vlm/captioner.js';
export { Captioner } from './vlm/captioner.js';
export type { AnswerOptions, CaptionerOptions, CaptionOptions, ViewOptions } from './vlm/captioner-options.js';
export { Chat } from './vlm/chat.js';
export { defaultCaption } from './vlm/default-caption.js';
export { EncodedImage } from './vlm/encoded-image.js';
export type { VlmManifest } from './vlm/vlm-manifest.js';
export { parseVlmManifest } from './vlm/vlm-manifest.js';
export { vlmPresets } from './vlm/vlm-presets.js';
