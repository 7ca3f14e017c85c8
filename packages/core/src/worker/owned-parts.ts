/** What may be moved to a worker instead of copied. */
import type { ModelFile, PortableImage } from '../platform.js';

/** Buffers and bitmaps are copies made by `portableImage`, so they are moved; the caller's own are never detached. */
export function ownedParts({ source }: PortableImage): Transferable[] {
  if (source.kind === 'bytes') return [source.bytes.buffer as ArrayBuffer];
  if (source.kind === 'pixels') return [source.data.buffer as ArrayBuffer];
  if (source.kind === 'native') return [source.image as Transferable];
  return [];
}

/** The bytes of a fetched file belong to whoever fetched it. */
export function ownedBytes(file: ModelFile): Transferable[] {
  if (file instanceof Uint8Array) return [file.buffer as ArrayBuffer];
  return typeof file === 'object' && 'graph' in file ? [file.graph, file.data].flatMap(ownedBytes) : [];
}
