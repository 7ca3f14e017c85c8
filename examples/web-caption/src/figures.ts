/** Where it runs and how fast the last answer was. Every figure has its place from the start, so that nothing moves. */
import type { Device } from '@mclip/web';
import { create, element } from './element';

export interface Times {
  startedAt: number;
  firstAt: number;
  endedAt: number;
  pieces: number;
}

const NAMES = ['device', 'weights', 'threads', 'first word', 'pieces'] as const;

export class Figures {
  readonly #values = NAMES.map((name) => {
    const value = create('dd', {}, '–');
    element('figures').append(create('div', {}, create('dt', {}, name), value));
    return value;
  });

  show({ name, dtype, threads }: Device, { startedAt, firstAt, endedAt, pieces }: Times): void {
    const first = firstAt === 0 ? '–' : `${Math.round(firstAt - startedAt)} ms`;
    const rate = pieces > 1 ? `${(((pieces - 1) * 1000) / (endedAt - firstAt)).toFixed(0)}/s` : '–';
    const shown = [name === 'webgpu' ? 'WebGPU' : name, dtype, String(threads), first, rate];
    for (const [place, text] of shown.entries()) this.#values[place]!.textContent = text;
  }
}
