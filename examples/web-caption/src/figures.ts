/** Where it runs and how fast the last answer was. */
import type { Device } from '@mclip/web';
import { create, element } from './element';

export interface Times {
  startedAt: number;
  firstAt: number;
  endedAt: number;
  pieces: number;
}

export function showFigures({ name, dtype, threads }: Device, times: Times): void {
  const { startedAt, firstAt, endedAt, pieces } = times;
  const rate = pieces > 1 ? `${(((pieces - 1) * 1000) / (endedAt - firstAt)).toFixed(0)}/s` : '–';
  const figures = {
    device: name,
    weights: dtype,
    threads: String(threads),
    'first word': firstAt === 0 ? '–' : `${Math.round(firstAt - startedAt)} ms`,
    pieces: rate,
  };
  const items = Object.entries(figures).map(([term, value]) =>
    create('div', {}, create('dt', {}, term), create('dd', {}, value)),
  );
  element('figures').replaceChildren(...items);
}
