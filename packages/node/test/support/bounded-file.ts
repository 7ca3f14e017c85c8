import { expect } from 'vitest';
import type { RandomAccess } from '../../../core/src/platform.js';
import { bytesAsFile } from '../../src/open-file.js';

/** Bytes as a file whose every read must lie within it. */
export function boundedFile(data: Uint8Array): RandomAccess {
  const file = bytesAsFile(data);
  return {
    ...file,
    async read(target, position) {
      expect(position + target.length).toBeLessThanOrEqual(data.length);
      await file.read(target, position);
    },
  };
}
