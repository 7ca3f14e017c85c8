import type { ModelFamily } from '../model/locate.js';
import { type Manifest, parseManifest } from '../model/manifest.js';

export const clipFamily: ModelFamily<Manifest> = {
  parse: parseManifest,
  named: async () => import('../model/presets.js'),
  bundled: 'nanoClip',
};
