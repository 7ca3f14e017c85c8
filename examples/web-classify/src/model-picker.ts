/** The dialog that changes the model: what there is, how large, under which licence; progress, and a way to stop. */
import type { Progress } from '@mclip/web';
import { create, element } from './element';
import { licenceNote, MODELS, type ModelChoice, megabytes } from './models';

export type LoadModel = (
  choice: ModelChoice,
  options: { signal: AbortSignal; onProgress: (progress: Progress) => void },
) => Promise<void>;

export class ModelPicker {
  readonly #load: LoadModel;
  readonly #dialog = element<HTMLDialogElement>('models');
  readonly #choices = element('model-choices');
  readonly #bar = element<HTMLProgressElement>('download-bar');
  readonly #text = element('download-text');
  readonly #use = element<HTMLButtonElement>('load-model');
  readonly #cancel = element<HTMLButtonElement>('cancel-model');
  #inUse = MODELS[0]!;
  #loading: AbortController | null = null;

  constructor(load: LoadModel) {
    this.#load = load;
    this.#choices.append(...MODELS.map((choice, index) => choiceRow(choice, index)));
    element('open-models').addEventListener('click', () => this.#open());
    this.#use.addEventListener('click', () => this.#start());
    this.#cancel.addEventListener('click', () => (this.#loading ? this.#stop() : this.#dialog.close()));
    this.#dialog.addEventListener('close', () => this.#stop());
  }

  #open(): void {
    this.#radios()[MODELS.indexOf(this.#inUse)]!.checked = true;
    this.#show(null, '');
    this.#dialog.showModal();
  }

  async #start(): Promise<void> {
    const choice = MODELS[this.#radios().findIndex(({ checked }) => checked)]!;
    const loading = new AbortController();
    this.#loading = loading;
    this.#show(0, 'Starting …');
    try {
      const onProgress = (progress: Progress) => {
        if (this.#loading === loading) this.#onProgress(progress);
      };
      await this.#load(choice, { signal: loading.signal, onProgress });
      this.#loading = null;
      this.#inUse = choice;
      element('model-name').textContent = choice.name;
      this.#dialog.close();
    } catch (error) {
      this.#loading = null;
      this.#show(null, loading.signal.aborted ? 'Stopped. Nothing was changed.' : (error as Error).message);
      this.#text.toggleAttribute('data-problem', !loading.signal.aborted);
    }
  }

  #stop(): void {
    this.#loading?.abort();
  }

  #onProgress(progress: Progress): void {
    if (progress.phase === 'text') {
      this.#show(1, `Reading the labels: ${progress.done} of ${progress.total}`);
      return;
    }
    const { loadedBytes, totalBytes, bytesPerSecond } = progress;
    const speed = `${(bytesPerSecond / 1e6).toFixed(1)} MB/s`;
    const total = totalBytes === null ? '' : ` of ${megabytes(totalBytes)}`;
    this.#show(totalBytes === null ? 0 : loadedBytes / totalBytes, `${megabytes(loadedBytes)}${total} · ${speed}`);
  }

  /** `done` is null when nothing is being loaded. */
  #show(done: number | null, text: string): void {
    const isLoading = done !== null;
    this.#bar.value = done ?? 0;
    this.#bar.toggleAttribute('data-idle', !isLoading);
    this.#text.textContent = text;
    this.#text.removeAttribute('data-problem');
    this.#use.disabled = isLoading;
    for (const radio of this.#radios()) radio.disabled = isLoading;
    this.#cancel.textContent = isLoading ? 'Cancel' : 'Close';
  }

  #radios(): HTMLInputElement[] {
    return [...this.#choices.querySelectorAll('input')];
  }
}

function choiceRow(choice: ModelChoice, index: number): HTMLElement {
  const radio = create('input', { type: 'radio', name: 'model', value: String(index) });
  const size = choice.bytes === null ? 'with this page' : megabytes(choice.bytes);
  return create(
    'label',
    { className: 'choice' },
    radio,
    create('span', { className: 'choice-name' }, choice.name),
    create('span', { className: 'choice-size' }, size),
    create('span', { className: 'choice-about' }, choice.about),
    create('span', { className: 'choice-licence' }, licenceNote(choice)),
  );
}
