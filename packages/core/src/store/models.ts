/** What is stored, for people who want to see it, check it or have the space back. */
import { type ResolvedSettings, resolveSettings, type Settings } from '../configure.js';
import { MclipError } from '../errors.js';
import type { Journal, StoreBackend } from './backend.js';
import type { OpenStore } from './model-store.js';

export interface StoredModel {
  /** As it was asked for when it was fetched: a preset's name, 'org/repo', a URL. */
  id: string;
  files: StoredFile[];
  /** Of all files, parts included. */
  bytes: number;
  lastUsed: Date;
  /** False while a file of it is there in part only. */
  complete: boolean;
}

export interface StoredFile {
  url: string;
  bytes: number;
  complete: boolean;
}

export interface VerifiedModel extends StoredModel {
  /** URLs of files that were not what they should be. They have been removed, and are fetched again when needed. */
  damaged: string[];
}

/** Each takes settings, as `configure` does: in Node.js `cacheDir`. */
export interface Models {
  /** Last used first. @throws {MclipError} `STORAGE` */
  list(settings?: Settings): Promise<StoredModel[]>;
  /** True when there was something to remove. Waits for a download of it. @throws {MclipError} `STORAGE` */
  remove(id: string, settings?: Settings): Promise<boolean>;
  /** Removes every model and every part of one; label embeddings stay. @throws {MclipError} `STORAGE` */
  clear(settings?: Settings): Promise<void>;
  /** Reads every byte of a model. @throws {MclipError} `MODEL_NOT_FOUND` when it is not stored, `STORAGE` */
  verify(id: string, settings?: Settings & { signal?: AbortSignal }): Promise<VerifiedModel>;
}

export function storedModels(openStore: OpenStore): Models {
  const open = async (settings: Settings = {}) => (await openStore(resolveSettings(settings))).forWriting();

  async function of(id: string, backend: StoreBackend): Promise<Journal[]> {
    return (await backend.journals()).filter(({ model }) => model === id);
  }

  return {
    async list(settings) {
      const backend = await open(settings);
      const byModel = new Map<string, Journal[]>();
      for (const journal of await backend.journals()) {
        byModel.set(journal.model, [...(byModel.get(journal.model) ?? []), journal]);
      }
      const models = await Promise.all([...byModel].map(([id, journals]) => describe(id, journals, backend)));
      return models.sort((a, b) => b.lastUsed.getTime() - a.lastUsed.getTime());
    },

    async remove(id, settings) {
      const backend = await open(settings);
      const journals = await of(id, backend);
      for (const { url } of journals) await backend.lock(url, {}, () => backend.remove(url));
      return journals.length > 0;
    },

    async clear(settings) {
      const backend = await open(settings);
      for (const { url } of await backend.journals()) await backend.lock(url, {}, () => backend.remove(url));
      await backend.clear();
    },

    async verify(id, { signal, ...settings } = {}) {
      const backend = await open(settings);
      const journals = await of(id, backend);
      if (journals.length === 0) {
        throw new MclipError('MODEL_NOT_FOUND', `'${id}' is not stored. models.list() tells what is.`);
      }
      const damaged: string[] = [];
      for (const { url, file } of journals) {
        if (file === null || (await isWhole(url, file.sha256, backend, signal))) continue;
        damaged.push(url);
        await backend.lock(url, { signal }, () => backend.remove(url));
      }
      return { ...(await describe(id, journals, backend)), damaged };
    },
  };
}

async function isWhole(url: string, sha256: string, backend: StoreBackend, signal: AbortSignal | undefined) {
  signal?.throwIfAborted();
  return (await backend.look(url)) !== null && (await backend.hashOf(url, signal)) === sha256;
}

async function describe(id: string, journals: Journal[], backend: StoreBackend): Promise<StoredModel> {
  const files = await Promise.all(
    journals.map(async ({ url, file, part }): Promise<StoredFile> => {
      const whole = file === null ? null : await backend.look(url);
      const bytes = (whole?.bytes ?? 0) + (part === null ? 0 : await backend.partBytes(url));
      return { url, bytes, complete: whole !== null };
    }),
  );
  return {
    id,
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    lastUsed: new Date(Math.max(...journals.map(({ usedAt }) => usedAt))),
    complete: files.every(({ complete }) => complete),
  };
}

/** Whether any of these is being fetched, here or elsewhere. */
export async function isFetching(openStore: OpenStore, settings: ResolvedSettings, urls: string[]): Promise<boolean> {
  const backend = await (await openStore(settings)).forWriting();
  return (await Promise.all(urls.map((url) => backend.isLocked(url)))).includes(true);
}
