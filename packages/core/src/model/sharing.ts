/** Models that are in use, so that a second user of the same one shares it instead of loading it again. */
import type { ResolvedSettings } from '../configure.js';
import type { Platform } from '../platform.js';

const inUse = new WeakMap<Platform, Map<string, unknown>>();
const numbers = new WeakMap<object, number>();
let lastNumber = 0;

/** `make` is called when no model of this key is in use. */
export function shared<M extends { retain(): M }>(platform: Platform, key: string, make: () => M): M {
  const models = inUse.get(platform) ?? new Map<string, M>();
  inUse.set(platform, models);
  const model = (models.get(key) as M | undefined)?.retain() ?? make();
  models.set(key, model);
  return model;
}

export function unshare(platform: Platform, key: string): void {
  inUse.get(platform)?.delete(key);
}

/** Equal for calls that mean the same model, run in the same way. */
export function sharingKey(model: unknown, settings: ResolvedSettings, ...more: unknown[]): string {
  return JSON.stringify([identity(model), { ...settings, fetch: identity(settings.fetch) }, ...more]);
}

/** Text as it is, an object by which one it is. */
function identity(value: unknown): unknown {
  if (value instanceof URL) return value.href;
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value;
  const number = numbers.get(value) ?? ++lastNumber;
  numbers.set(value, number);
  return { number };
}
