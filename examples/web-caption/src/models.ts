/** What can be chosen, with what people should know before they fetch it. */
import { nanoVlm } from '@mclip/nano';
import type { ModelSpec } from '@mclip/web';

export interface ModelChoice {
  name: string;
  model: ModelSpec;
  about: string;
}

export const MODELS: ModelChoice[] = [
  {
    name: 'nano-vlm',
    model: nanoVlm,
    about: 'nano-vlm (MIT) comes with this page. It knows drawings, is often wrong, and is not for photographs.',
  },
  {
    name: 'fastvlm-0.5b, about 1.5 GB',
    model: 'fastvlm-0.5b',
    about: 'FastVLM 0.5B: Apple’s weights, apple-amlr, research only. Fetched from huggingface.co and kept.',
  },
];
