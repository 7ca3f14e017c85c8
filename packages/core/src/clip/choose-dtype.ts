import { MclipError } from '../errors.js';
import type { LocatedModel } from '../model/locate.js';
import { DTYPES, type Dtype, type GraphName } from '../model/manifest.js';
import type { ModelOptions } from './model-options.js';

/** Reduced-precision compute is slower or wrong on these networks: only full-precision forms are chosen unasked. */
const AUTO_DTYPES: readonly Dtype[] = ['w8', 'fp32', 'fp16'];

/** @throws {MclipError} `INVALID_ARGUMENT`, listing what the model has. */
export function chooseDtype(
  { id, manifest }: LocatedModel,
  graph: GraphName,
  option: ModelOptions['dtype'] = 'auto',
): Dtype {
  const asked = (typeof option === 'object' ? option[graph] : option) ?? 'auto';
  const { files } = manifest.graphs[graph];
  const chosen = asked === 'auto' ? AUTO_DTYPES.find((dtype) => files[dtype] !== undefined) : asked;
  if (chosen !== undefined && files[chosen] !== undefined) return chosen;
  const available = DTYPES.filter((dtype) => files[dtype] !== undefined).join(', ');
  throw new MclipError('INVALID_ARGUMENT', `${id} has no ${graph} graph with dtype '${asked}'; it has ${available}.`);
}
