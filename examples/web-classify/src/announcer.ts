/** Reads the best label out to screen readers: at once for a picture, now and then for the camera. */
import { element } from './element';

const CAMERA_PAUSE = 3000; // milliseconds

export class Announcer {
  readonly #region = element('announcement');
  #said = '';
  #saidAt = 0;

  say(label: string, score: number, isLive: boolean): void {
    const now = performance.now();
    if (isLive && (label === this.#said || now - this.#saidAt < CAMERA_PAUSE)) return;
    this.#said = label;
    this.#saidAt = now;
    this.#region.textContent = `${label}, ${Math.round(score * 100)} percent`;
  }
}
