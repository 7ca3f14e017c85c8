/** The camera: its stream in a `<video>`, and a loop of labels over its newest frames. */
import type { Classification, Classifier, Watched } from '@mclip/web';

export type Turn = Watched<ImageBitmap, Classification[]>;

/** Results are shown this often: faster than that nobody can read. Milliseconds. */
const SHOW_EVERY = 90;

export class Camera {
  readonly #video: HTMLVideoElement;
  readonly #current: () => Classifier | null;
  #running: AbortController | null = null;

  constructor(video: HTMLVideoElement, current: () => Classifier | null) {
    this.#video = video;
    this.#current = current;
  }

  get running(): boolean {
    return this.#running !== null;
  }

  /**
   * Runs until `stop`, or until the camera is gone.
   *
   * @throws {Error} when there is no camera or it is not allowed; or the classifier's own error.
   */
  async run(onTurn: (turn: Turn) => void): Promise<void> {
    this.stop();
    const running = new AbortController();
    this.#running = running;
    let stream: MediaStream | null = null;
    try {
      stream = await openCamera();
      if (running.signal.aborted) return;
      this.#video.srcObject = stream;
      const { facingMode } = stream.getVideoTracks()[0]!.getSettings();
      this.#video.toggleAttribute('data-mirrored', facingMode === 'user');
      await this.#video.play();
      await this.#watch(running.signal, onTurn);
    } catch (error) {
      if (!running.signal.aborted) throw error;
    } finally {
      for (const track of stream?.getTracks() ?? []) track.stop();
      if (this.#running === running) this.stop();
    }
  }

  stop(): void {
    this.#running?.abort();
    this.#running = null;
    this.#video.srcObject = null;
  }

  async #watch(signal: AbortSignal, onTurn: (turn: Turn) => void): Promise<void> {
    let shownAt = 0;
    while (!signal.aborted) {
      const classifier = this.#current();
      if (classifier === null) {
        await new Promise((resolve) => setTimeout(resolve, SHOW_EVERY)); // the first model is still loading
        continue;
      }
      try {
        for await (const turn of classifier.watch(this.#video, { signal })) {
          if (this.#current() !== classifier) break;
          if (performance.now() - shownAt < SHOW_EVERY) continue;
          shownAt = performance.now();
          onTurn(turn);
        }
        if (this.#current() === classifier) return; // the camera was unplugged
      } catch (error) {
        if (this.#current() === classifier) throw error; // else it was replaced, and disposed, in mid-turn
      }
    }
  }
}

async function openCamera(): Promise<MediaStream> {
  try {
    return await navigator.mediaDevices.getUserMedia({
      video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: 'environment' },
    });
  } catch (cause) {
    const { name, message } = cause as DOMException;
    if (name === 'NotAllowedError') throw new Error('The browser did not allow the camera.', { cause });
    if (name === 'NotFoundError') throw new Error('No camera was found.', { cause });
    throw new Error(`The camera could not be opened: ${message || 'this page is not served over HTTPS.'}`, { cause });
  }
}
