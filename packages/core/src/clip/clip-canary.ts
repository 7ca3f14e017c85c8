/** The self-check of a CLIP graph: its embedding of a generated picture, or of a text. */
import type { Tensor } from 'onnxruntime-common';
import { MclipError } from '../errors.js';
import { preprocessParts } from '../image/preprocess-parts.js';
import { rgbReader } from '../image/raw-reader.js';
import { inputTensor } from '../input-tensor.js';
import { CANARY_TEXT, canaryPicture, failedCheck } from '../model/canary.js';
import { isReference } from '../model/device.js';
import type { ImageConfig, Manifest } from '../model/manifest.js';
import type { LoadedGraph } from './loaded-graph.js';
import type { TextTower } from './text-tower.js';

export { isRight } from '../model/canary.js';

/**
 * [dim]; zeros when the graph gives no direction.
 *
 * @param tower of a text graph; null: the graph is of pictures
 */
export async function canaryAnswer(
  graph: LoadedGraph,
  tower: TextTower | null,
  { image, canary, dim }: Manifest,
  inTurn: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<Float32Array> {
  const rows = (tower && graph.fixedBatch) ?? 1;
  const input = tower?.input([canary?.text?.inputText ?? CANARY_TEXT], rows) ?? (await picture(image));
  try {
    const outputs = await inTurn(() => graph.session.run({ [graph.input]: input }));
    return graph.unitVectors(outputs, rows).subarray(0, dim);
  } catch (cause) {
    if (isReference(graph.device)) throw cause;
    if (MclipError.isInstance(cause) && cause.code === 'MODEL_CORRUPT') return new Float32Array(dim);
    throw failedCheck(graph.device, `it cannot run the model (${cause})`, cause);
  }
}

/** [1, 3, size, size] */
async function picture(config: ImageConfig): Promise<Tensor> {
  const { size } = config;
  const pixelValues = new Float32Array(3 * size * size);
  await preprocessParts(rgbReader({ data: canaryPicture(size), width: size, height: size }), config, pixelValues);
  return inputTensor('float32', pixelValues, [1, 3, size, size]);
}
