import { invalid } from '../errors.js';
import type { LocatedModel } from '../model/locate.js';
import { DTYPES, type Dtype, type ManifestFile } from '../model/manifest.js';
import type { DeviceName } from '../platform.js';
import type { CaptionerOptions } from './captioner-options.js';
import type { RowDtype, VlmManifest } from './vlm-manifest.js';

/**
 * The decoder's form follows the device, by measurement (docs/models.md): in wasm int8 decodes many times faster than
 * q4, whose kernel unpacks every matrix for every token; natively `fasterDecoder` chooses of int8 and q4.
 */
const AUTO_DECODER: Partial<Record<DeviceName, readonly Dtype[]>> = {
  wasm: ['q8', 'w8', 'fp32', 'q4', 'fp16', 'q4f16'],
  cpu: ['q8', 'q4', 'w8', 'fp32', 'fp16', 'q4f16'],
};
const AUTO_DECODER_GPU: readonly Dtype[] = ['q4f16', 'q4', 'fp16', 'w8', 'fp32', 'q8'];
/**
 * Forms of full precision, which on CPU and wasm half-precision files are too (onnx/single-precision.ts), on GPUs not.
 * Natively q8 before them: as our exporter makes it, it is as fast, proven, and its weights stay 8 bits in memory.
 */
const AUTO_VISION: Partial<Record<DeviceName, readonly Dtype[]>> = {
  wasm: ['w8', 'fp16', 'fp32', 'q8'],
  cpu: ['q8', 'w8', 'fp16', 'fp32'],
};
const AUTO_VISION_GPU: readonly Dtype[] = ['w8', 'fp32', 'fp16', 'q8'];
const AUTO_ROWS: readonly RowDtype[] = ['fp16', 'fp32', 'q8'];

export interface VlmDtypes {
  vision: Dtype;
  decoder: Dtype;
}

const IN_HALF: readonly Dtype[] = ['fp16', 'q4f16'];

/**
 * @param half whether the device computes in half precision
 * @throws {MclipError} `INVALID_ARGUMENT`, listing what the model has.
 */
export function chooseVlmDtypes(
  { id, manifest }: LocatedModel<VlmManifest>,
  device: DeviceName,
  option: CaptionerOptions['dtype'] = 'auto',
  half = true,
): VlmDtypes {
  const choose = (graph: keyof VlmDtypes, preferred: readonly Dtype[]): Dtype => {
    const asked = (typeof option === 'object' ? option[graph] : option) ?? 'auto';
    const { files } = manifest.graphs[graph];
    const available = preferred.filter((dtype) => files[dtype] !== undefined);
    const chosen =
      asked === 'auto' ? (available.find((dtype) => half || !IN_HALF.includes(dtype)) ?? available[0]) : asked;
    if (chosen !== undefined && files[chosen] !== undefined) return chosen;
    const has = DTYPES.filter((dtype) => files[dtype] !== undefined).join(', ');
    throw invalid(`${id} has no ${graph} graph with dtype '${asked}'; it has ${has}.`);
  };
  return {
    vision: choose('vision', AUTO_VISION[device] ?? AUTO_VISION_GPU),
    decoder: choose('decoder', AUTO_DECODER[device] ?? AUTO_DECODER_GPU),
  };
}

/** Vision, decoder, and rows of the embedding, in this order; each may have external weights. */
export function vlmFiles(
  manifest: VlmManifest,
  { vision, decoder }: VlmDtypes,
): [ManifestFile, ManifestFile, ManifestFile] {
  const { graphs, embedding } = manifest;
  const rowDtype = chooseRows(manifest);
  const rows = rowDtype === null ? embedGraph(manifest) : embedding!.files[rowDtype]!;
  return [graphs.vision.files[vision]!, graphs.decoder.files[decoder]!, rows];
}

/** For models without a table of rows. */
function embedGraph({ graphs }: VlmManifest): ManifestFile {
  const { fp16, fp32, ...others } = graphs.embed!.files;
  return fp16 ?? fp32 ?? Object.values(others)[0]!;
}

/** The table of rows to read, or null when only a graph has them. */
export function chooseRows({ embedding }: VlmManifest): RowDtype | null {
  return AUTO_ROWS.find((dtype) => embedding?.files[dtype] !== undefined) ?? null;
}
