/** Whether a model could be used now, told without a request. */
import { chooseDtype } from '../clip/choose-dtype.js';
import { clipFamily } from '../clip/clip-family.js';
import { resolveSettings, type Settings } from '../configure.js';
import { MclipError } from '../errors.js';
import type { FetchedFile, FetchOptions, Platform } from '../platform.js';
import { chooseVlmDtypes, vlmFiles } from '../vlm/choose-vlm-dtype.js';
import { vlmFamily } from '../vlm/vlm-family.js';
import { type LocatedModel, locateModel, type ModelSpec } from './locate.js';
import type { Manifest, ManifestFile } from './manifest.js';
import { withWeights } from './split-file.js';

/**
 * `available`: every file that a classifier (both towers) or a captioner needs by default is on this machine;
 * `downloading`: one of them is being fetched, here or in another tab or process; `downloadable`: not here, and the
 * network may be used; `unavailable`: no such model, or not here and `offline`.
 */
export type Availability = 'available' | 'downloadable' | 'downloading' | 'unavailable';

export async function availability(
  platform: Platform,
  isFetching: (settings: FetchOptions['settings'], urls: string[]) => Promise<boolean>,
  model: ModelSpec,
  settings: Settings,
): Promise<Availability> {
  const asked = resolveSettings(settings);
  const options = { settings: { ...asked, offline: true } };
  const isNo = (error: unknown) => {
    if (!MclipError.isInstance(error) || error.code === 'STORAGE') throw error;
    return error.code;
  };
  const absent = asked.offline ? 'unavailable' : 'downloadable';
  const variants = await variantsOf(platform, model, options).catch(isNo);
  if (typeof variants === 'string') return variants === 'OFFLINE' ? absent : 'unavailable';
  let outcome: Availability = 'unavailable';
  for (const { located, files } of variants) {
    const missing: FetchedFile[] = [];
    let isBroken = false;
    for (const file of withWeights(files)) {
      const at = await located.locate(file).catch(isNo);
      const code = typeof at === 'string' ? at : await platform.fetchFile(at, options).then(() => null, isNo);
      if (typeof at !== 'string' && code === 'OFFLINE') missing.push(at);
      if (code === 'OFFLINE') outcome = outcome === 'unavailable' ? absent : outcome;
      isBroken ||= code !== null;
    }
    if (!isBroken) return 'available';
    const urls = missing.map(({ url }) => url);
    if (urls.length > 0 && (await isFetching(asked, urls))) outcome = 'downloading';
  }
  return outcome;
}

interface Variant {
  located: LocatedModel<unknown>;
  files: ManifestFile[];
}

/** What would do, best first: the form of a captioner's decoder follows the device. */
async function variantsOf(platform: Platform, model: ModelSpec, options: FetchOptions): Promise<Variant[]> {
  const asVlm = () => locateModel(platform, model, vlmFamily, options);
  const located = await locateModel(platform, model, clipFamily, options).catch((error: unknown) => {
    const isOther = MclipError.isInstance(error) && /^MODEL_/.test(error.code);
    if (isOther) return asVlm();
    throw error;
  });
  if (isClip(located)) {
    const { graphs } = located.manifest;
    const files = (['vision', 'text'] as const).map((graph) => graphs[graph].files[chooseDtype(located, graph)]!);
    return [{ located, files }];
  }
  const vlm = located as Awaited<ReturnType<typeof asVlm>>;
  const tokenizer = { ...vlm.manifest.tokenizer, bytes: null };
  return platform.autoDevices().map((device) => ({
    located: vlm,
    files: [...vlmFiles(vlm.manifest, chooseVlmDtypes(vlm, device)), tokenizer],
  }));
}

const isClip = (located: { manifest: { task: string } }): located is LocatedModel<Manifest> =>
  located.manifest.task === 'clip';
