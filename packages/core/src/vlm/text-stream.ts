/** The pieces of a text as they are written, from a producer that calls back. */
export async function* textStream(
  produce: (onText: (delta: string) => void, signal: AbortSignal) => Promise<unknown>,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void, undefined> {
  const left = new AbortController();
  const until = signal === undefined ? left.signal : AbortSignal.any([signal, left.signal]);
  const deltas: string[] = [];
  let wake = () => {};
  const end: { reached: boolean; failure: { error: unknown } | null } = { reached: false, failure: null };
  const settle = (failure: { error: unknown } | null) => {
    end.reached = true;
    end.failure = failure;
    wake();
  };
  produce((delta) => {
    deltas.push(delta);
    wake();
  }, until).then(
    () => settle(null),
    (error) => settle({ error }),
  );
  try {
    while (true) {
      yield* deltas.splice(0);
      if (deltas.length > 0) continue; // written while the reader was busy
      if (end.failure !== null) throw end.failure.error;
      if (end.reached) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    left.abort(new Error('the reader left')); // nothing once all is written
  }
}
