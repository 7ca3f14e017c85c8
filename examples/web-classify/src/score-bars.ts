/** The best label in large type and the best few as bars. Rows have fixed places: only their contents move. */
import type { Classification } from '@mclip/web';
import { create, element } from './element';

export const ROWS = 8;

const NONE = 'none of these';

const calm = matchMedia('(prefers-reduced-motion: reduce)');

interface Row {
  item: HTMLLIElement;
  meter: HTMLElement;
  value: HTMLElement;
}

export class ScoreBars {
  readonly #list = element<HTMLOListElement>('bars');
  readonly #bestLabel = element('best-label');
  readonly #bestScore = element('best-score');
  #rows = new Map<string, Row>();

  /** `live`: rows change places at once, since the next change is already on its way. */
  show(results: readonly Classification[], live: boolean): void {
    const [best] = results;
    if (best === undefined) return;
    this.#bestLabel.textContent = nameOf(best);
    this.#bestLabel.toggleAttribute('data-none', best.label === null);
    this.#bestScore.textContent = percent(best.score);

    const before = new Map([...this.#rows.keys()].map((key, place) => [key, place]));
    const rows = new Map<string, Row>();
    for (const result of results.slice(0, ROWS)) {
      const key = nameOf(result);
      const row = this.#rows.get(key) ?? newRow(key);
      rows.set(key, row);
      row.meter.style.setProperty('--score', String(result.score));
      row.meter.ariaValueNow = (result.score * 100).toFixed(1);
      row.meter.ariaValueText = percent(result.score);
      row.value.textContent = percent(result.score);
    }
    this.#rows = rows;
    const order = [...rows.keys()];
    if (order.join('\n') === [...before.keys()].join('\n')) return;
    this.#list.replaceChildren(...[...rows.values()].map(({ item }) => item));
    if (!live && !calm.matches) order.forEach((key, place) => slide(rows.get(key)!.item, before.get(key), place));
  }

  /** No answer. */
  clear(): void {
    this.#bestLabel.textContent = '–';
    this.#bestLabel.toggleAttribute('data-none', true);
    this.#bestScore.textContent = '';
    this.#rows.clear();
    this.#list.replaceChildren();
  }
}

export const nameOf = ({ label }: Classification) => label ?? NONE;

export const percent = (score: number) => `${(score * 100).toFixed(1)}%`;

/** From the place it had, by whole rows, to the one it has now. */
function slide(item: HTMLElement, from: number | undefined, to: number): void {
  if (from === to) return;
  const start =
    from === undefined ? { opacity: 0 } : { transform: `translateY(calc(${from - to} * var(--row-height)))` };
  item.animate([start, {}], { duration: 260, easing: 'cubic-bezier(0.2, 0.8, 0.2, 1)' });
}

function newRow(label: string): Row {
  const meter = create('div', { className: 'meter', role: 'meter', ariaLabel: label });
  meter.ariaValueMin = '0';
  meter.ariaValueMax = '100';
  const value = create('span', { className: 'value', ariaHidden: 'true' });
  const name = create('span', { className: 'name', ariaHidden: 'true', title: label }, label);
  return { item: create('li', {}, name, meter, value), meter, value };
}
