// An application as a bundler sees it.
import { nanoClip } from '@mclip/nano';
import * as mclip from '@mclip/web';

Object.assign(globalThis, { mclip, nanoClip });
