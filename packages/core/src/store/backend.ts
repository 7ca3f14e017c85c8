/**
 * What an adapter gives to the model store: named bytes, a file that grows, a lock and a hash. Everything that can go
 * wrong on a network is core's; a backend knows its disk only. A file is named by its URL.
 */
import type { ModelFile } from '../platform.js';

/** What is known of one URL, kept beside its bytes. */
export interface Journal {
  url: string;
  /** The model it belongs to, as it was first asked for. */
  model: string;
  /** Milliseconds since 1970. */
  usedAt: number;
  /** The finished file as it was when its hash was checked. */
  file: VerifiedFile | null;
  /** The download under way: what its bytes must become, and which version of the file they are of. */
  part: PartState | null;
}

export interface VerifiedFile {
  bytes: number;
  sha256: string;
  /** Of `StoreBackend.look`; while it is the same, the content is. */
  stamp: string | null;
  /** Milliseconds since 1970. */
  verifiedAt: number;
}

export interface PartState {
  bytes: number | null;
  sha256: string | null;
  etag: string | null;
}

/** A download under way, owned by whoever holds the lock. Its bytes stay when it is closed, or the process killed. */
export interface PartFile {
  /** Bytes so far. */
  readonly size: number;
  read(): AsyncIterable<Uint8Array>;
  /** All of it or, when it fails, nothing. */
  append(chunk: Uint8Array): Promise<void>;
  /** Back to nothing. */
  truncate(): Promise<void>;
  /** The bytes so far become the finished file, in one step, in place of an older one. */
  finish(): Promise<void>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface StreamingHash {
  update(chunk: Uint8Array): void;
  /** Lower-case hex. */
  digest(): string;
}

export interface WaitOptions {
  signal?: AbortSignal | undefined;
  /** Called now and then while somebody else holds the lock. */
  onWait?: (() => void) | undefined;
}

/** What a warm start needs. All failures to read or write are `MclipError`s with code `STORAGE`. */
export interface StoreReader {
  readJournal(url: string): Promise<Journal | null>;
  writeJournal(journal: Journal): Promise<void>;
  /** Notes that the file was used, where that costs little. Never fails. */
  touch(journal: Journal): Promise<void>;
  /**
   * Size of the finished file, and a stamp that changes when the content does (null: cannot tell). Null: there is none.
   */
  look(url: string): Promise<{ bytes: number; stamp: string | null } | null>;
  /** The finished file. */
  open(url: string): Promise<ModelFile>;
  readText(url: string): Promise<string>;
  /** SHA-256 of the whole finished file, lower-case hex. */
  hashOf(url: string, signal?: AbortSignal): Promise<string>;
  /** The whole backend, whose code may have to be fetched. */
  forWriting(): Promise<StoreBackend>;
}

export interface StoreBackend extends StoreReader {
  journals(): Promise<Journal[]>;
  /** Bytes of the download under way, 0 when there is none. */
  partBytes(url: string): Promise<number>;
  /** Removes the file, its part and its journal. */
  remove(url: string): Promise<void>;
  /** Removes everything, what has no journal too. */
  clear(): Promise<void>;
  /**
   * Runs `work` while nobody else, in this or any other process or tab, works on the same URL. May run it again, if
   * the lock was lost meanwhile. `openPart` takes the size that the file will have, where it is known.
   */
  lock<T>(
    url: string,
    options: WaitOptions,
    work: (openPart: (bytes: number | null) => Promise<PartFile>) => Promise<T>,
  ): Promise<T>;
  isLocked(url: string): Promise<boolean>;
  newHash(): Promise<StreamingHash>;
  /** How many bytes a new file can have, null when nobody knows. Asks for more where that is possible. */
  room(bytes: number): Promise<number | null>;
}
