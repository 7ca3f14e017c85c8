/** Files of which parts are read: blobs, which the browser keeps on disk, or bytes. */
import { MclipError, type ModelFile, type RandomAccess, type SplitFile } from '@mclip/core/adapter';

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
      const part =
        blob === null
          ? (file as Uint8Array).subarray(position, end)
          : new Uint8Array(await blob.slice(position, end).arrayBuffer());
      target.set(part);
    },
    async close() {},
  };
}
