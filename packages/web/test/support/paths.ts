import { fileURLToPath } from 'node:url';

/** The repository. */
export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** The model of `@mclip/nano`; another folder with the same files while it is being trained. */
export const NANO_FOLDER = process.env.MCLIP_NANO_FOLDER ?? `${ROOT}packages/nano/models/clip`;

/** Pictures with their names. */
export const IMAGE_FOLDER = `${ROOT}examples/node-classify/images`;
