/** One picture and what is said about it: the caption first, then questions and answers, each written as it comes. */
import type { Captioner, Chat } from '@mclip/web';
import { create, element } from './element';
import type { Figures } from './figures';

const CAPTION = 'Describe the image in one sentence.';

export class Conversation {
  readonly #captioner: Captioner;
  readonly #chat: Chat;
  readonly #figures: Figures;
  readonly #turns = element('turns');
  readonly #send = element<HTMLButtonElement>('send');
  readonly #stop = element<HTMLButtonElement>('stop');
  #answering: AbortController | null = null;

  constructor(captioner: Captioner, picture: string, figures: Figures) {
    this.#captioner = captioner;
    this.#figures = figures;
    this.#chat = captioner.chat(picture);
    this.#turns.replaceChildren();
  }

  caption(): Promise<void> {
    return this.#turn(CAPTION, null);
  }

  ask(question: string): Promise<void> {
    return this.#turn(question, question);
  }

  /** Ends the answer under way; what was written stays. */
  stop(): void {
    this.#answering?.abort();
  }

  async close(): Promise<void> {
    this.stop();
    await this.#chat.dispose();
  }

  async #turn(prompt: string, shownAs: string | null): Promise<void> {
    this.stop();
    const answering = new AbortController();
    this.#answering = answering;
    const text = create('p', { className: 'answer' });
    text.toggleAttribute('data-writing', true);
    const question = shownAs === null ? [] : [create('p', { className: 'question' }, shownAs)];
    this.#turns.append(create('li', {}, ...question, text));
    this.#turns.scrollTop = this.#turns.scrollHeight;
    this.#busy(true);
    const startedAt = performance.now();
    let firstAt = 0;
    let pieces = 0;
    try {
      for await (const delta of this.#chat.stream(prompt, { signal: answering.signal, maxNewTokens: 96 })) {
        firstAt ||= performance.now();
        pieces++;
        text.append(delta);
        this.#turns.scrollTop = this.#turns.scrollHeight;
      }
      this.#figures.show(this.#captioner.device, { startedAt, firstAt, endedAt: performance.now(), pieces });
    } catch (error) {
      if (!answering.signal.aborted) {
        text.className = 'problem';
        text.textContent = (error as Error).message;
      }
    } finally {
      text.removeAttribute('data-writing');
      if (this.#answering === answering) {
        this.#answering = null;
        this.#busy(false);
      }
    }
  }

  #busy(busy: boolean): void {
    this.#stop.hidden = !busy;
    this.#send.hidden = busy;
    this.#send.disabled = busy;
  }
}
