import { invalid } from '../errors.js';
import { isReference } from '../model/device.js';
import type { LocatedModel } from '../model/locate.js';
import { DTYPES, type Dtype, type GraphName } from '../model/manifest.js';
import type { DeviceName } from '../platform.js';
import type { ModelOptions } from './model-options.js';

/**
 * Smallest first among those whose arithmetic is of full precision: reduced-precision arithmetic is slower or wrong on
 * these networks. On CPU and wasm half-precision files compute in single precision (onnx/single-precision.ts), on GPUs
 * they do not.
 */
const AUTO_DTYPES: readonly Dtype[] = ['w8', 'fp16', 'fp32'];
const AUTO_DTYPES_GPU: readonly Dtype[] = ['w8', 'fp32', 'fp16'];

/**
 * @param device a GPU that 'auto' finds has to prove itself with the files chosen for the CPU
 * @throws {MclipError} `INVALID_ARGUMENT`, listing what the model has.
 */
export function chooseDtype(
  { id, manifest }: LocatedModel,
  graph: GraphName,
  option: ModelOptions['dtype'] = 'auto',
  device: 'auto' | DeviceName = 'auto',
): Dtype {
  const asked = (typeof option === 'object' ? option[graph] : option) ?? 'auto';
  const { files } = manifest.graphs[graph];
  const preferred = device === 'auto' || isReference(device) ? AUTO_DTYPES : AUTO_DTYPES_GPU;
  const chosen = asked === 'auto' ? preferred.find((dtype) => files[dtype] !== undefined) : asked;
  if (chosen !== undefined && files[chosen] !== undefined) return chosen;
  const available = DTYPES.filter((dtype) => files[dtype] !== undefined).join(', ');
  throw invalid(`${id} has no ${graph} graph with dtype '${asked}'; it has ${available}.`);
}
