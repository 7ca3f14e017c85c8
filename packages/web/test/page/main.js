// The page of the browser tests: the library, and what several tests ask of it.
import * as mclip from '@mclip/web';

const LABELS = ['cat', 'dog', 'pizza', 'rocket', 'bicycle', 'umbrella', 'rose', 'train', 'guitar', 'owl'];

/** A result, or the error as plain data. */
async function attempt(work) {
  try {
    return { value: await work() };
  } catch (error) {
    return { error: { name: error.name, code: error.code, message: error.message } };
  }
}

const bytesOf = async (url) => new Uint8Array(await (await fetch(url)).arrayBuffer());

Object.assign(globalThis, { mclip, LABELS, MODEL: '/models/nano/', attempt, bytesOf });
