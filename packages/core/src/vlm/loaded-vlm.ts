/** A captioner's model in memory: its graphs on one device, its table of embeddings and its tokenizer. */
import { MclipError } from '../errors.js';
import type { DeviceName, Runtime } from '../platform.js';
import { Decoder } from './decoder.js';
import type { VlmLoadRequest } from './engine.js';
import type { LanguageModel } from './generation.js';
import { openRows } from './open-rows.js';
import { type ParkableSession, parkableSession } from './parkable-session.js';
import { Prompts } from './prompt.js';
import { VisionEncoder } from './vision-encoder.js';
import type { VlmManifest } from './vlm-manifest.js';

export interface LoadedVlm {
  device: DeviceName;
  vision: VisionEncoder;
  prompts: Prompts;
  model: LanguageModel;
  /** Never rejects: what cannot be freed went with its device. */
  release(): Promise<void>;
}

interface Loading {
  inTurn: LanguageModel['inTurn'];
  /** What is worth knowing of how a session was made. */
  onNote(note: string): void;
  isDisposed(): boolean;
}

/** A model that cannot be loaded as a whole is freed again. */
export async function loadVlm(
  runtime: Runtime,
  manifest: VlmManifest,
  request: VlmLoadRequest,
  { inTurn, onNote, isDisposed }: Loading,
): Promise<LoadedVlm> {
  // not `request` in closures: they would hold the tokenizer's text, and a heap with it is one that V8 marks all the time
  const { device, numThreads, kept, dtypes, vision: visionFile, decoder: decoderFile } = request;
  const { contextLength, layers, logits } = manifest.decoder;
  const { Qwen2Tokenizer } = await import('../text/qwen2-tokenizer.js'); // with its tables of characters
  const tokenizer = Qwen2Tokenizer.fromJSON(request.tokenizerJson);
  const prompts = new Prompts(tokenizer, manifest.prompt);
  const options = { device, numThreads, onNote };
  const made: { release(): Promise<void> }[] = [];
  const release = async () => {
    for (const part of made) await part.release().catch(() => {});
  };

  let session: ParkableSession;
  const openVision = async () => {
    if (kept === 'one') await session.park();
    return runtime.createSession(visionFile, { ...options, dtype: dtypes.vision, lean: kept !== 'both' });
  };
  const loadVision = async () => {
    const vision = await VisionEncoder.create(manifest, openVision, kept === 'both');
    made.push(vision);
    return vision;
  };
  try {
    // wasm's memory never shrinks: there the larger file is first, and what loading it took is enough for the other
    const early = device === 'wasm' ? null : await loadVision();
    const keepOnDevice = Array.from({ length: layers }, (_, i) => [`present.${i}.key`, `present.${i}.value`]).flat();
    const lastOf = logits === 'all' ? { lastOf: 'logits' } : {};
    session = await parkableSession(() =>
      runtime.createSession(decoderFile, { ...options, ...lastOf, dtype: dtypes.decoder, keepOnDevice }),
    );
    made.push(session);
    const vision = early ?? (await loadVision());
    const rows = await openRows(runtime, manifest, request.rows, options);
    made.push({ release: () => rows.dispose() });
    const decoder = new Decoder(session, manifest.decoder);
    if (device === 'cpu' && runtime.OutputTensor !== undefined) await decoder.tryInPlace(runtime.OutputTensor);
    if (isDisposed()) throw new MclipError('DISPOSED', 'The model was disposed while it was loading.');
    const model = { decoder, rows, tokenizer, stopIds: prompts.stopIds, contextLength, inTurn };
    return { device, vision, prompts, model, release };
  } catch (error) {
    await release();
    throw error;
  }
}
