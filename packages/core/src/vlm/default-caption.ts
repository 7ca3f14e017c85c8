import { raceSignal } from '../abort.js';
import { checkOptions } from '../options.js';
import type { Captioner } from './captioner.js';
import { CAPTION_OPTIONS, type CaptionOptions } from './captioner-options.js';

/** `caption(image)` without a captioner in hand. */
export interface DefaultCaption<ImageInput> {
  (image: ImageInput, options?: CaptionOptions): Promise<string>;
  /** Frees the captioner; a later call loads it again. */
  dispose(): Promise<void>;
}

/** @param create makes the captioner that all calls share */
export function defaultCaption<ImageInput>(
  create: () => Promise<Pick<Captioner<ImageInput>, 'caption' | 'dispose'>>,
): DefaultCaption<ImageInput> {
  let captioner: ReturnType<typeof create> | null = null;
  const caption = async (image: ImageInput, options: CaptionOptions = {}) => {
    checkOptions(options, CAPTION_OPTIONS);
    options.signal?.throwIfAborted();
    if (captioner === null) {
      captioner = create();
      captioner.catch(() => {
        captioner = null; // a later call may try again
      });
    }
    return (await raceSignal(captioner, options.signal)).caption(image, options);
  };
  const dispose = async () => {
    const current = captioner;
    captioner = null;
    await (await current?.catch(() => null))?.dispose();
  };
  return Object.assign(caption, { dispose });
}
