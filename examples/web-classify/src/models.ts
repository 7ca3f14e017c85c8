/** What can be chosen, with what people should know before they fetch it. */
import { nanoClip } from '@mclip/nano';
import { type ModelSpec, presets } from '@mclip/web';

export interface ModelChoice {
  name: string;
  model: ModelSpec;
  /** Both towers as they are fetched, bytes; null for what came with the page. */
  bytes: number | null;
  about: string;
  licence: string;
}

const NANO: ModelChoice = {
  name: 'nano-clip',
  model: nanoClip,
  bytes: null,
  about: 'Trained by this project on drawings, for demos. Often wrong; not for photographs.',
  licence: 'MIT',
};

/** Sizes of the vision and the text tower on the hub, bytes. */
const SIZES: Record<string, [vision: number, text: number]> = {
  'mobileclip-s0': [45_543_630, 169_807_789],
  'mobileclip2-s0': [45_555_784, 254_053_669],
  'mobileclip2-s2': [143_044_797, 254_053_669],
};

const ABOUT: Record<string, string> = {
  'mobileclip-s0': 'The smallest for photographs.',
  'mobileclip2-s0': 'Small, fast and newer. A good first choice for photographs.',
  'mobileclip2-s2': 'Knows more and takes longer.',
};

export const MODELS: ModelChoice[] = [
  NANO,
  ...Object.entries(SIZES).map(([name, [vision, text]]) => ({
    name,
    model: name,
    bytes: vision + text,
    about: ABOUT[name]!,
    licence: presets[name]!.manifest.licence.id,
  })),
];

/** Apple's weights may not be used in products. */
export const licenceNote = ({ licence }: ModelChoice) =>
  licence === 'apple-amlr' ? `${licence}: research only` : licence;

export const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
