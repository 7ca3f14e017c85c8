/**
 * The classifier in use. Another model or other labels replace it when they are ready; until then it goes on answering.
 */
import { type Classifier, createClassifier, type ModelSpec, type OnProgress } from '@mclip/web';

interface Wanted {
  labels: readonly string[];
  unknown: boolean;
}

export class CurrentClassifier {
  /** Called after every replacement. */
  onChange = (_classifier: Classifier) => {};
  #classifier: Classifier | null = null;
  #wanted: Wanted;
  #last: Promise<unknown> = Promise.resolve();

  constructor(wanted: Wanted) {
    this.#wanted = wanted;
  }

  get(): Classifier | null {
    return this.#classifier;
  }

  /** Fetches and loads a model, and puts it in the other's place. */
  async load(model: ModelSpec, options: { signal?: AbortSignal; onProgress?: OnProgress } = {}): Promise<void> {
    const embedded = this.#wanted;
    const next = await createClassifier(embedded.labels, { model, unknown: embedded.unknown, ...options });
    try {
      await next.warmup(options);
    } catch (error) {
      await next.dispose();
      throw error;
    }
    await this.#inTurn(() => this.#replace(next));
    if (this.#wanted !== embedded) await this.#relabel(); // edited meanwhile
  }

  /** Other labels on the same model: only the new ones are embedded. Of calls in quick succession the last one counts. */
  setLabels(wanted: Wanted): Promise<void> {
    this.#wanted = wanted;
    return this.#relabel();
  }

  #relabel(): Promise<void> {
    const wanted = this.#wanted;
    return this.#inTurn(async () => {
      if (this.#classifier === null || wanted !== this.#wanted) return;
      await this.#replace(await this.#classifier.withLabels(wanted.labels, { unknown: wanted.unknown }));
    });
  }

  async #replace(next: Classifier): Promise<void> {
    const previous = this.#classifier;
    this.#classifier = next;
    this.onChange(next);
    await previous?.dispose();
  }

  /** One change at a time. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.#last.then(change);
    this.#last = done.catch(() => {});
    return done;
  }
}
