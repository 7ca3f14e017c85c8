import { MclipError } from '@mclip/core/adapter';

/** `STORAGE` in place of what the browser says, with the sizes that it tells. */
export async function storageError(cause: unknown): Promise<MclipError> {
  if (MclipError.isInstance(cause)) return cause;
  const { name, message } = cause as DOMException;
  if (name !== 'QuotaExceededError') {
    return new MclipError('STORAGE', `The browser's storage cannot be read or written: ${message}`, { cause });
  }
  const { usage = 0, quota = 0 } = (await navigator.storage?.estimate().catch(() => null)) ?? {};
  return new MclipError(
    'STORAGE',
    `The browser's storage is full: ${(usage / 1e6).toFixed(1)} of ${(quota / 1e6).toFixed(1)} MB are used. Remove a ` +
      'model (models.list, models.remove), or set evict: true to let those unused for longest go.',
    { cause },
  );
}
