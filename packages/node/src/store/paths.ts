/**
 * Where things of a URL are. Model files keep their names and folders, since people look at them and onnxruntime looks
 * for a graph's external weights beside it; everything else is named by a hash.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export interface StorePaths {
  file: string;
  part: string;
  journal: string;
  lock: string;
}

/** What Windows takes for a device or drops from the end of a name. */
const UNSAFE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|^\.+$|\.$/i;

export function storePaths(root: string, url: string): StorePaths {
  const key = shortHash(url);
  const beside = (ending: string) => join(root, 'store', `${key}.${ending}`);
  return { file: filePath(root, url), part: beside('part'), journal: beside('json'), lock: beside('lock') };
}

/** `<root>/models/<host>/<path of the URL>`. Where that had to be changed, a hash keeps it from being another's. */
function filePath(root: string, url: string): string {
  const { host, pathname, search } = new URL(url);
  const raw = `${host}${pathname}${search}`;
  const parts = raw.split('/').map((part) => {
    const clean = part.replaceAll(/[^\w.-]/g, '_').slice(0, 120);
    return clean === '' || UNSAFE.test(clean) ? `_${clean.replaceAll('.', '_')}` : clean;
  });
  const name = parts.pop()!;
  const isChanged = [...parts.slice(1), name].join('/') !== raw.slice(raw.indexOf('/') + 1);
  return join(root, 'models', ...parts, ...(isChanged ? [shortHash(url).slice(0, 8)] : []), name);
}

const shortHash = (url: string) => createHash('sha256').update(url).digest('hex').slice(0, 32);
