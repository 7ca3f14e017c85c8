/** Labels as chips: Enter or a comma adds, Backspace in the empty field or × removes. */
import { create, element } from './element';

export class LabelEditor {
  /** Called with every change; never with an empty list. */
  onChange = (_labels: readonly string[]) => {};
  #labels: string[];
  readonly #list = element<HTMLUListElement>('chip-list');
  readonly #input = element<HTMLInputElement>('new-label');
  readonly #note = element('label-note');

  constructor(labels: readonly string[]) {
    this.#labels = [...labels];
    this.#input.addEventListener('keydown', (event) => this.#onKey(event));
    this.#input.addEventListener('input', () => this.#onInput());
    element('chips').addEventListener('click', ({ target, currentTarget }) => {
      if (target === currentTarget || target === this.#list) this.#input.focus();
    });
    this.#show();
  }

  get labels(): readonly string[] {
    return this.#labels;
  }

  /** Says what is wrong, or nothing. */
  note(text: string): void {
    this.#note.textContent = text;
  }

  #onKey(event: KeyboardEvent): void {
    if (event.isComposing) return;
    if (event.key === 'Enter') {
      event.preventDefault();
      this.#add(this.#input.value);
    } else if (event.key === 'Backspace' && this.#input.value === '') {
      this.#remove(this.#labels.length - 1);
    }
  }

  /** Typed or pasted commas and line breaks end a label. */
  #onInput(): void {
    const { value } = this.#input;
    if (/[,\n]/.test(value)) this.#add(value);
    else this.note('');
  }

  #add(text: string): void {
    const words = text
      .split(/[,\n]/)
      .map((word) => word.trim().replace(/\s+/g, ' '))
      .filter((word) => word !== '');
    const repeated: string[] = [];
    const before = this.#labels.length;
    for (const word of words) {
      // the model reads lower case only
      const isKnown = this.#labels.some((label) => label.toLowerCase() === word.toLowerCase());
      if (isKnown) repeated.push(word);
      else this.#labels.push(word);
    }
    this.#input.value = '';
    if (words.length > 0) this.note(repeated.length === 0 ? '' : `“${repeated.join('”, “')}” is already in the list.`);
    if (this.#labels.length > before) this.#changed();
  }

  #remove(index: number): void {
    if (this.#labels.length === 1) {
      this.note('One label has to stay. Add another first.');
      return;
    }
    const [removed] = this.#labels.splice(index, 1);
    this.note(`Removed “${removed}”.`);
    this.#changed();
  }

  #changed(): void {
    this.#show();
    this.onChange([...this.#labels]);
  }

  #show(): void {
    const chips = this.#labels.map((label, index) => {
      const button = create('button', { type: 'button', ariaLabel: `Remove ${label}` }, '×');
      button.addEventListener('click', () => {
        this.#remove(index);
        // focus stays in the row: on the chip that moved here, or in the field
        const next = this.#list.querySelectorAll('button')[index] ?? this.#input;
        next.focus();
      });
      return create('li', {}, create('span', {}, label), button);
    });
    this.#list.replaceChildren(...chips);
  }
}
