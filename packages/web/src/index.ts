/** mclip for browsers: everything public is listed here. */
export type {
  BundledModel,
  Classification,
  ClassifierOptions,
  ClassifyOptions,
  Device,
  DeviceName,
  Dtype,
  EncodeOptions,
  LabelOptions,
  LabelSetJson,
  MclipErrorCode,
  ModelOptions,
  ModelSpec,
  OnProgress,
  Preprocessing,
  Progress,
  RawImage,
  Region,
  ScoreFunction,
  Settings,
  StreamOptions,
  Templates,
  Watched,
} from '@mclip/core';
export { configure, LabelSet, MclipError, presets, similarity } from '@mclip/core';
export { type Classifier, createClassifier, createEmbedder, type Embedder } from './create.js';
export type { VideoSource } from './frames.js';
export type { ImageSource } from './image-source.js';
