/** A captioner's files, fetched or found stored: graphs, embeddings, tokenizer. */
import type { ResolvedSettings } from '../configure.js';
import { MclipError } from '../errors.js';
import { fetchGraph } from '../model/fetch-graph.js';
import type { LocatedModel } from '../model/locate.js';
import type { ManifestFile } from '../model/manifest.js';
import type { ModelFile, Platform } from '../platform.js';
import type { CaptionerOptions } from './captioner-options.js';
import { chooseRows, type VlmDtypes, vlmFiles } from './choose-vlm-dtype.js';
import type { VlmLoadRequest } from './engine.js';
import type { VlmManifest } from './vlm-manifest.js';

export interface Fetching {
  platform: Platform;
  settings: ResolvedSettings;
  located: LocatedModel<VlmManifest>;
  options: Pick<CaptionerOptions, 'signal' | 'onProgress'>;
}

export type FetchedVlm = Pick<VlmLoadRequest, 'vision' | 'decoder' | 'rows' | 'tokenizerJson'>;

/** The files of these forms, all at once. One that fails takes the others along. */
export async function fetchVlm(
  { platform, settings, located, options }: Fetching,
  dtypes: VlmDtypes,
): Promise<FetchedVlm> {
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal]);
  const { manifest } = located;
  const { tokenizer } = manifest;
  const rowDtype = chooseRows(manifest);
  const wanted = vlmFiles(manifest, dtypes);
  const [visionGraph, decoderGraph, rowFile] = wanted;
  const { onProgress } = options;
  const progress =
    onProgress && import('../model/progress.js').then((progress) => progress.progressOver(located, wanted, onProgress));
  const fetchFile = (file: ManifestFile): Promise<ModelFile> =>
    fetchGraph(file, async (one) => {
      const onBytes = (await progress)?.of(one.file);
      return platform.fetchFile(await located.locate(one), { settings, signal, onBytes });
    });
  const fetchTokenizer = async () => {
    const at = await located.locate({ file: tokenizer.file, bytes: null, sha256: tokenizer.sha256 });
    const text = await platform.fetchText(at.url, { ...at, settings, signal, keep: true });
    if (text === null) throw new MclipError('MODEL_NOT_FOUND', `The manifest's tokenizer does not exist: ${at.url}.`);
    return text;
  };
  const fetchRows = async (): Promise<VlmLoadRequest['rows']> => {
    const file = await fetchFile(rowFile);
    return rowDtype === null ? { graph: file } : { file, dtype: rowDtype };
  };
  const files = [fetchFile(visionGraph), fetchFile(decoderGraph), fetchRows(), fetchTokenizer()] as const;
  for (const file of files) file.catch((error) => stop.abort(error));
  try {
    const [visionFile, decoderFile, rows, tokenizerJson] = await Promise.all(files);
    return { vision: visionFile, decoder: decoderFile, rows, tokenizerJson };
  } catch (error) {
    await Promise.allSettled(files); // nothing is left half written when the caller hears of it
    throw error;
  }
}
