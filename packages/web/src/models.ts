import type { Availability, ModelSpec, Models, Settings } from '@mclip/core';
import { isFetching, storedModels, availability as tell } from '@mclip/core/adapter';
import { openStore } from './model-store.js';
import { webPlatform } from './platform.js';

/** The models stored in this browser, for this origin. */
export const models: Models = /* @__PURE__ */ storedModels(openStore);

/**
 * Whether a model could be used now, told without a request: see `Availability`.
 *
 * @throws {MclipError} `STORAGE`, `INVALID_ARGUMENT` for settings of the wrong type
 */
export function availability(model: ModelSpec, settings: Settings = {}): Promise<Availability> {
  return tell(webPlatform, (resolved, urls) => isFetching(openStore, resolved, urls), model, settings);
}
