/** Who is to hear of a signal's end, through one listener: Node.js warns of more than ten on one signal. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls `listener` when a signal aborts that has not aborted yet.
 *
 * @returns what ends the waiting
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const listeners = waiting.get(signal) ?? new Set();
  if (listeners.size === 0) {
    waiting.set(signal, listeners);
    signal.addEventListener('abort', callAll, { once: true });
  }
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) signal.removeEventListener('abort', callAll);
  };
}

function callAll(this: AbortSignal): void {
  for (const listener of waiting.get(this)!) listener();
}

/**
 * Settles as `promise` does, or rejects at once with the signal's own reason. Work already under way is not stopped by
 * this: it finishes unseen and its result is dropped.
 */
export function raceSignal<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => {});
    return Promise.reject(signal.reason);
  }
  return new Promise<T>((resolve, reject) => {
    const stopWaiting = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(stopWaiting);
  });
}
