/** Models as exporters write large ones: the weights of each graph in a file beside it. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ManifestFile } from '../../packages/core/src/model/manifest.js';
import { ENTRY, GRAPH, MODEL, TENSOR } from '../../packages/core/src/onnx/fields.js';
import { assemble, message, numberField, type Piece, textField } from '../../packages/core/src/onnx/pieces.js';
import { ProtobufReader, type Range } from '../../packages/core/src/onnx/protobuf.js';
import { replaceFields } from '../../packages/core/src/onnx/replace-fields.js';
import { bytesAsFile } from '../../packages/node/src/open-file.js';

const EXTERNAL = 1;
/** Bytes; smaller constants stay in the graph, since onnxruntime looks at some while it makes a session. */
const SMALLEST = 1024;

/** @param location of the weights, as the graph names it */
export async function splitGraph(bytes: Buffer, location: string): Promise<{ graph: Buffer; data: Buffer }> {
  const file = bytesAsFile(bytes);
  const reader = new ProtobufReader(file);
  const weights: Buffer[] = [];
  let offset = 0;
  const entry = (key: string, value: string) =>
    message(TENSOR.externalData, [...textField(ENTRY.key, key), ...textField(ENTRY.value, value)]);
  const splitTensor = (tensor: Range) =>
    replaceFields(reader, tensor, async ({ number, start, end }) => {
      if (number !== TENSOR.rawData || end - start < SMALLEST) return null;
      weights.push(bytes.subarray(start, end));
      const at = offset;
      offset += end - start;
      const where = { location, offset: `${at}`, length: `${end - start}` };
      const entries = Object.entries(where).flatMap(([key, value]) => entry(key, value));
      return [...entries, numberField(TENSOR.dataLocation, EXTERNAL)];
    });
  const within = async (number: number, range: Range, replace: (range: Range) => Promise<Piece[] | null>) =>
    replaceFields(reader, range, async (field) => {
      const content = field.number === number ? await replace(field) : null;
      return content && message(number, content);
    });
  const pieces = await within(MODEL.graph, { start: 0, end: bytes.length }, (graph) =>
    within(GRAPH.initializer, graph, splitTensor),
  );
  if (pieces === null) throw new Error('nothing in this graph is large enough to be split off');
  return { graph: Buffer.from(await assemble(file, pieces)), data: Buffer.concat(weights) };
}

export const entryOf = (file: string, bytes: Buffer) => ({
  file,
  bytes: bytes.length,
  sha256: createHash('sha256').update(bytes).digest('hex'),
});

/**
 * Files of the model in a folder, by name, with the weights of every graph of one dtype in `<graph>_data`.
 *
 * @param locationOf what a graph calls the file of its weights
 */
export async function splitModel(
  folder: string,
  dtype: string,
  locationOf: (data: string) => string = (data) => data,
): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(folder)) files.set(name, await readFile(join(folder, name)));
  const manifest = JSON.parse(files.get('mclip.json')!.toString());
  for (const graph of Object.values<{ files: Record<string, ManifestFile> }>(manifest.graphs)) {
    const file = graph.files[dtype]?.file;
    if (file === undefined) continue; // such as a table that only comes in half precision
    const dataFile = `${file}_data`;
    const split = await splitGraph(files.get(file)!, locationOf(dataFile));
    files.set(file, split.graph).set(dataFile, split.data);
    graph.files = { [dtype]: { ...entryOf(file, split.graph), data: entryOf(dataFile, split.data) } };
  }
  files.set('mclip.json', Buffer.from(JSON.stringify(manifest)));
  return files;
}
