/** Files of which parts are read: blobs, which the browser keeps on disk, or bytes. */
import { MclipError, type ModelFile, type RandomAccess, type SplitFile } from '@mclip/core/adapter';

/** Bytes of a blob that are in memory beside where they go. */
const MOST = 1 << 24;

export const isSplit = (file: ModelFile): file is SplitFile => typeof file === 'object' && 'graph' in file;

export async function openFile(file: ModelFile): Promise<RandomAccess> {
  if (isSplit(file)) return openFile(file.graph);
  const blob = file instanceof Uint8Array ? null : (file as Blob);
  const size = blob?.size ?? (file as Uint8Array).length;
  return {
    size,
    async read(target, position) {
      const end = position + target.length;
      if (end > size) throw new MclipError('MODEL_CORRUPT', `The file of ${size} bytes ends before byte ${end}.`);
      if (blob === null) return target.set((file as Uint8Array).subarray(position, end));
      for (let at = position; at < end; at += MOST) {
        const part = await blob.slice(at, Math.min(at + MOST, end)).arrayBuffer();
        target.set(new Uint8Array(part), at - position);
      }
    },
    async close() {},
  };
}
