/** Where a browser keeps named blobs: its private file system, else the Cache API, else the page's memory. */

export interface Shelf {
  get(name: string): Promise<Blob | null>;
  /** All of it or nothing. */
  put(name: string, content: Blob): Promise<void>;
  delete(name: string): Promise<void>;
  names(): Promise<string[]>;
  /** Something that changes with the content, null where nothing does. */
  stamp(blob: Blob): string | null;
  /** Whether it counts towards the browser's quota. */
  isOnDisk: boolean;
}

let shelf: Promise<Shelf> | undefined;

export function openShelf(): Promise<Shelf> {
  shelf ??= fileShelf().catch(async () => (await import('./other-shelves.js')).otherShelf());
  return shelf;
}

/** The origin private file system. Not there on insecure pages, in some private windows, and without `createWritable`. */
async function fileShelf(): Promise<Shelf> {
  if (!('createWritable' in FileSystemFileHandle.prototype)) throw new Error('files cannot be written here');
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mclip', { create: true });
  const remove = (name: string) => folder.removeEntry(name).catch(unlessMissing);
  return {
    get: (name) => folder.getFileHandle(name).then((handle) => handle.getFile(), unlessMissing),
    async put(name, content) {
      const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
      try {
        await writable.write(content);
        await writable.close(); // replaces the file
      } catch (error) {
        await writable.abort().catch(() => {});
        if ((await folder.getFileHandle(name).then((handle) => handle.getFile())).size === 0) await remove(name);
        throw error;
      }
    },
    delete: async (name) => void (await remove(name)),
    async names() {
      const names: string[] = [];
      for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
      return names;
    },
    stamp: (file) => `${file.size} ${(file as File).lastModified}`,
    isOnDisk: true,
  };
}

function unlessMissing(error: DOMException): null {
  if (error.name === 'NotFoundError') return null;
  throw error;
}
