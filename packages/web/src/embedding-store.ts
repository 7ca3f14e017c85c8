/**
 * Embeddings of labels between visits, in IndexedDB. A store that cannot be read or written (private windows, full
 * disks, blocked storage) costs time, never an error.
 */

const DATABASE = 'mclip';
const LABELS = 'labels';

export async function readEmbeddings(keys: string[]): Promise<(Float32Array | null)[]> {
  try {
    return await inTransaction('readonly', (labels) =>
      Promise.all(keys.map((key) => settled(labels.get(key)).then(toFloats))),
    );
  } catch {
    return keys.map(() => null);
  }
}

export async function writeEmbeddings(entries: [string, Float32Array][]): Promise<void> {
  try {
    await inTransaction('readwrite', (labels) =>
      // copies: an embedding may be a view of a much larger buffer
      Promise.all(entries.map(([key, embedding]) => settled(labels.put(embedding.slice(), key)))),
    );
  } catch {
    // the labels are computed again next time
  }
}

async function inTransaction<T>(mode: IDBTransactionMode, work: (labels: IDBObjectStore) => Promise<T>): Promise<T> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(LABELS);
  const database = await settled(request);
  try {
    return await work(database.transaction(LABELS, mode).objectStore(LABELS));
  } finally {
    database.close(); // after the transaction: a connection left open would block another tab's upgrade
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    (request as Partial<IDBOpenDBRequest>).onblocked = () => reject(new Error('The database is held by another tab.'));
  });
}

const toFloats = (value: unknown) => (value instanceof Float32Array ? value : null);
