import type { ModelFamily } from '../model/locate.js';
import { parseVlmManifest, type VlmManifest } from './vlm-manifest.js';

export const vlmFamily: ModelFamily<VlmManifest> = {
  parse: parseVlmManifest,
  async named() {
    const { vlmPresets: presets, unexported } = await import('./vlm-presets.js');
    return { presets, unexported };
  },
  bundled: 'nanoVlm',
};
