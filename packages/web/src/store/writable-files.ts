/** The writing half of the origin private file system. */
import type { Shelf, WritableShelf } from './shelf.js';

export function writableFiles(folder: FileSystemDirectoryHandle, shelf: Shelf): WritableShelf {
  const remove = (name: string) =>
    folder.removeEntry(name).catch((error: DOMException) => {
      if (error.name !== 'NotFoundError') throw error;
    });
  const writable: WritableShelf = {
    ...shelf,
    async put(name, content) {
      const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
      try {
        await stream.write(content);
        await stream.close(); // replaces the file
      } catch (error) {
        await stream.abort().catch(() => {});
        if ((await folder.getFileHandle(name).then((handle) => handle.getFile())).size === 0) await remove(name);
        throw error;
      }
    },
    delete: remove,
    async names() {
      const names: string[] = [];
      for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
      return names;
    },
    isOnDisk: true,
    forWriting: async () => writable,
  };
  return writable;
}
