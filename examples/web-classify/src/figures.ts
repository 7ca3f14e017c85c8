/** The line of figures at the foot of the page. Every figure has its place from the start, so that nothing moves. */
import type { Device } from '@mclip/web';
import { create, element } from './element';

const NAMES = ['device', 'weights', 'threads', 'latency', 'frame rate'] as const;

export class Figures {
  readonly #values = new Map<string, HTMLElement>();

  constructor() {
    for (const name of NAMES) {
      const value = create('dd', {}, '–');
      this.#values.set(name, value);
      element('figures').append(create('div', {}, create('dt', {}, name), value));
    }
  }

  showDevice({ name, dtype, threads, reason }: Device): void {
    this.#set('device', name === 'webgpu' ? 'WebGPU' : 'wasm', reason);
    this.#set('weights', dtype);
    this.#set('threads', String(threads), reason);
  }

  /** `fps` is null for a still picture. */
  showSpeed(ms: number, fps: number | null): void {
    this.#set('latency', `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`);
    this.#set('frame rate', fps === null ? '–' : `${Math.round(fps)} fps`);
  }

  #set(name: (typeof NAMES)[number], text: string, title = ''): void {
    const value = this.#values.get(name)!;
    value.textContent = text;
    value.title = title;
  }
}
