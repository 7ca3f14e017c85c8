import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Settings } from '@mclip/core';

/** The `cacheDir` setting, else `MCLIP_CACHE_DIR`, else the system's folder for caches. */
export function cacheDir(settings: Settings): string {
  if (settings.cacheDir !== undefined) return settings.cacheDir;
  const { env, platform } = process;
  if (env.MCLIP_CACHE_DIR) return env.MCLIP_CACHE_DIR;
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? join(homedir(), 'AppData', 'Local'), 'mclip');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'mclip');
  return join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'mclip');
}
