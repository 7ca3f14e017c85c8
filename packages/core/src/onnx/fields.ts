/** Field numbers of onnx.proto3 that are looked at. */

export const MODEL = { graph: 7, opsetImport: 8, trainingInfo: 20, functions: 25 } as const;
export const OPSET = { domain: 1, version: 2 } as const;
export const GRAPH = { node: 1, initializer: 5, input: 11, output: 12, valueInfo: 13, sparseInitializer: 15 } as const;
export const NODE = { input: 1, output: 2, opType: 4, attribute: 5, domain: 7 } as const;
export const ATTRIBUTE = {
  name: 1,
  i: 3,
  t: 5,
  g: 6,
  ints: 8,
  tensors: 10,
  graphs: 11,
  tp: 14,
  typeProtos: 15,
  type: 20,
  sparseTensor: 22,
  sparseTensors: 23,
} as const;
export const TENSOR = {
  dims: 1,
  dataType: 2,
  int32Data: 5,
  name: 8,
  rawData: 9,
  externalData: 13,
  dataLocation: 14,
} as const;
export const ENTRY = { key: 1, value: 2 } as const;
export const VALUE_INFO = { name: 1, type: 2 } as const;
export const TYPE = { tensor: 1, sequence: 4, map: 5, sparseTensor: 8, optional: 9 } as const;
/** Of a tensor's type. */
export const TENSOR_TYPE = { shape: 2 } as const;
export const SHAPE = { dim: 1 } as const;
export const DIM = { value: 1 } as const;
/** The element of a tensor's, sequence's or optional's type. */
export const ELEMENT = 1;
export const MAP_VALUE = 2;

/** TensorProto.DataType */
export const FLOAT = 1;
export const INT64 = 7;
export const FLOAT16 = 10;
