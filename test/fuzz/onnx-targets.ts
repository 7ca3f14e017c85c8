/** Damaged ONNX files: the look-up of an embedding table, the widening of half precision, the protocol buffers below. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { detachWeights } from '../../packages/core/src/onnx/detached-weights.js';
import { ENTRY, GRAPH, MODEL, TENSOR } from '../../packages/core/src/onnx/fields.js';
import { lastPositionOnly } from '../../packages/core/src/onnx/last-position.js';
import { NotProtobuf, ProtobufReader } from '../../packages/core/src/onnx/protobuf.js';
import { toSinglePrecision } from '../../packages/core/src/onnx/single-precision.js';
import type { RandomAccess } from '../../packages/core/src/platform.js';
import { findOnnxTable } from '../../packages/core/src/vlm/onnx-table.js';
import { withAllPositions } from '../support/all-positions.js';
import { damaged } from './mutations.js';
import type { Target } from './outcome.js';

const fixture = (name: string) =>
  Uint8Array.from(readFileSync(new URL(`../../packages/node/test/fixtures/${name}`, import.meta.url)));
const half = ['pixels.common', 'pixels.common-half-io', 'ids.onnxruntime', 'decoder', 'subgraphs', 'subgraphs-int32'];
const graphs = [
  ...half.map((name) => fixture(`half/${name}.onnx`)),
  ...['external', 'custom', 'weight-as-output'].map((name) => fixture(`half/${name}.onnx`)),
];
const positions = await withAllPositions(fixture('tiny-vlm/decoder_model_merged_q4.onnx'));
const hidden = 64;

export const onnxTargets: Target<Uint8Array>[] = [
  {
    name: 'half-precision graphs',
    share: 300,
    inputs: damaged(graphs),
    async use(file) {
      const result = await toSinglePrecision(opened(file));
      if ('unchanged' in result) {
        if (result.unchanged === '') throw new Error('unchanged without a reason');
        return;
      }
      await checkGraph(result.graph);
    },
  },
  {
    name: 'weights left in the file',
    share: 100,
    inputs: damaged([fixture('tiny-vlm/embed_tokens_fp16.onnx'), fixture('tiny-vlm/decoder_model_merged_q4.onnx')]),
    async use(file) {
      const graph = await detachWeights(opened(file), 'any.onnx');
      if (graph !== null) await checkPlaces(graph, file.length);
    },
  },
  {
    name: 'the last position of a graph',
    share: 100,
    inputs: damaged([positions, fixture('half/decoder.onnx')]),
    async use(file) {
      const cut = await lastPositionOnly(opened(file), 'logits');
      if (cut === null) return;
      const again = await lastPositionOnly(cut.file, 'logits'); // every node is read
      if (again !== null) throw new Error('cut twice');
    },
  },
  {
    name: 'embedding tables',
    share: 100,
    inputs: damaged([fixture('tiny-vlm/embed_tokens_fp16.onnx'), ...graphs]),
    async use(file) {
      const table = await findOnnxTable(opened(file), hidden);
      if (table === null) return;
      const bytes = table.rows * hidden * (table.dtype === 'fp32' ? 4 : 2);
      if (table.offset + bytes > file.length) throw new Error(`a table beyond the end: ${JSON.stringify(table)}`);
    },
  },
  {
    name: 'protocol buffers',
    share: 100,
    inputs: fc.oneof(fc.uint8Array({ maxLength: 2000 }), damaged(graphs)),
    async use(file) {
      const reader = new ProtobufReader(opened(file));
      await walk(reader, { start: 0, end: file.length }, 6).catch((error) => {
        if (!(error instanceof NotProtobuf)) throw error;
      });
    },
  },
];

async function walk(reader: ProtobufReader, range: { start: number; end: number }, depth: number): Promise<void> {
  let at = range.start;
  for (const field of await reader.fields(range)) {
    if (field.from !== at || field.start <= field.from || field.end > range.end) throw new Error('fields that overlap');
    at = field.end;
    if (depth > 0 && !field.isNumber) await walk(reader, field, depth - 1).catch(ignoreNotProtobuf);
  }
  if (at !== range.end) throw new Error('a gap at the end');
}

function ignoreNotProtobuf(error: unknown): void {
  if (!(error instanceof NotProtobuf)) throw error;
}

/** Whole messages down to the tensors, and weights as long as they were. */
async function checkGraph(bytes: Uint8Array): Promise<void> {
  const reader = new ProtobufReader(opened(bytes));
  const model = await reader.fields({ start: 0, end: bytes.length });
  const graph = model.filter(({ number }) => number === MODEL.graph);
  if (graph.length !== 1) throw new Error(`${graph.length} graphs`);
  for (const field of await reader.fields(graph[0]!)) {
    if (field.number === GRAPH.node) await reader.fields(field);
    if (field.number !== GRAPH.initializer) continue;
    const tensor = await reader.fields(field);
    const raw = tensor.find(({ number }) => number === TENSOR.rawData);
    const type = tensor.findLast(({ number }) => number === TENSOR.dataType)?.value;
    if (raw !== undefined && type === 10 && (raw.end - raw.start) % 2 !== 0) throw new Error('half a half');
  }
}

/** Weights named as bytes of a file lie in it. */
async function checkPlaces(bytes: Uint8Array, size: number): Promise<void> {
  const reader = new ProtobufReader(opened(bytes));
  const model = await reader.fields({ start: 0, end: bytes.length });
  for (const graph of model.filter(({ number }) => number === MODEL.graph)) {
    for (const tensor of (await reader.fields(graph)).filter(({ number }) => number === GRAPH.initializer)) {
      const place: Record<string, number> = {};
      for (const part of await reader.fields(tensor)) {
        if (part.number !== TENSOR.externalData) continue;
        const texts = (await reader.fields(part)).filter(
          ({ number }) => number === ENTRY.key || number === ENTRY.value,
        );
        const [key = '', value = ''] = await Promise.all(texts.map((text) => reader.text(text)));
        place[key] = Number(value);
      }
      if ((place.offset ?? 0) + (place.length ?? 0) > size) throw new Error(`beyond the end: ${JSON.stringify(place)}`);
    }
  }
}

function opened(data: Uint8Array): RandomAccess {
  return {
    size: data.length,
    async read(target, position) {
      if (position < 0 || position + target.length > data.length)
        throw new Error(`a read beyond the end, at ${position}`);
      target.set(data.subarray(position, position + target.length));
    },
    async close() {},
  };
}
