/** Operators that compute in single precision what they compute in half precision, given single-precision inputs. */

/**
 * Up to this version every operator of ONNX that takes half precision takes single precision too, by its own list of
 * schemas (tools/goldens/half.py checks that).
 */
export const NEWEST_OPSET = 28;

/** Its result depends on the bits of its input. */
const STANDARD_EXCEPTIONS = new Set(['BitCast']);

/** Of ONNX Runtime, those that its CPU provider has in single precision. */
const MICROSOFT = new Set([
  'Attention',
  'BiasGelu',
  'DynamicQuantizeMatMul',
  'EmbedLayerNormalization',
  'FastGelu',
  'FusedConv',
  'FusedGemm',
  'FusedMatMul',
  'GatherBlockQuantized',
  'Gelu',
  'GroupQueryAttention',
  'MatMulBnb4',
  'MatMulIntegerToFloat',
  'MatMulNBits',
  'MultiHeadAttention',
  'QuickGelu',
  'RotaryEmbedding',
  'SkipLayerNormalization',
  'SkipSimplifiedLayerNormalization',
]);

/** Attributes that name a type of element. */
export const TYPE_ATTRIBUTES = new Set([
  'to',
  'dtype',
  'output_dtype',
  'output_datatype',
  'stash_type',
  'softmax_precision',
  'precision',
]);

export function computesInSingle(domain: string, op: string): boolean {
  if (isStandard(domain)) return !STANDARD_EXCEPTIONS.has(op);
  return domain === 'com.microsoft' && MICROSOFT.has(op);
}

export const isStandard = (domain: string) => domain === '' || domain === 'ai.onnx';
