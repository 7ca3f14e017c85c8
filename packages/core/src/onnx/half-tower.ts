import type { Tensor } from 'onnxruntime-common';
import { fromHalves, halfBits, toHalves } from '../half.js';
import { inputTensor } from '../input-tensor.js';
import type { Session } from '../platform.js';

/**
 * A network that computes in half precision, taking and giving single precision as others do. One with several inputs,
 * a decoder, stays: it is fed what its inputs are declared to be, its cache among them.
 */
export function halfTower(session: Session): Session {
  const { inputNames, outputNames, inputMetadata } = session;
  if (inputNames.length > 1) return session;
  const [input] = inputMetadata;
  const takesHalf = input?.isTensor === true && input.type === 'float16';
  const run = async (feeds: Record<string, Tensor>) => {
    const fed = Object.entries(feeds).map(([name, tensor]) => [name, takesHalf ? narrowed(tensor) : tensor]);
    const outputs = Object.entries(await session.run(Object.fromEntries(fed)));
    return Object.fromEntries(outputs.map(([name, tensor]) => [name, widened(tensor as Tensor)]));
  };
  return { inputNames, outputNames, inputMetadata, run: run as Session['run'], release: () => session.release() };
}

function narrowed({ data, dims }: Tensor): Tensor {
  return inputTensor('float16', toHalves(data as Float32Array), dims);
}

function widened(tensor: Tensor): Tensor {
  if (tensor.type !== 'float16') return tensor;
  const values = new Float32Array(tensor.size);
  fromHalves(halfBits(tensor.data), values);
  return inputTensor('float32', values, tensor.dims);
}
