/** Where a browser keeps named blobs: its private file system, else the Cache API, else the page's memory. */

export interface Shelf {
  get(name: string): Promise<Blob | null>;
  /** Something that changes with the content, null where nothing does. */
  stamp(blob: Blob): string | null;
  /** Code of its own, where much of it is needed for writing only. */
  forWriting(): Promise<WritableShelf>;
}

export interface WritableShelf extends Shelf {
  /** All of it or nothing. */
  put(name: string, content: Blob): Promise<void>;
  delete(name: string): Promise<void>;
  names(): Promise<string[]>;
  /** Whether it counts towards the browser's quota. */
  isOnDisk: boolean;
}

let shelf: Promise<Shelf> | undefined;

export function openShelf(): Promise<Shelf> {
  shelf ??= fileShelf().catch(() => import('./other-shelves.js').then((shelves) => shelves.otherShelf()));
  return shelf;
}

/** The origin private file system. Not there on insecure pages, in some private windows, and without `createWritable`. */
async function fileShelf(): Promise<Shelf> {
  if (!('createWritable' in FileSystemFileHandle.prototype)) throw new Error('files cannot be written here');
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mclip', { create: true });
  const shelf: Shelf = {
    get: (name) => folder.getFileHandle(name).then((handle) => handle.getFile(), unlessMissing),
    stamp: (file) => `${file.size} ${(file as File).lastModified}`,
    forWriting: () => import('./writable-files.js').then((files) => files.writableFiles(folder, shelf)),
  };
  return shelf;
}

function unlessMissing(error: DOMException): null {
  if (error.name === 'NotFoundError') return null;
  throw error;
}
