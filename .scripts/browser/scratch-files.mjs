/** Files of specs in a page: what a person would choose there. */

import { blobSource } from '../../src/formats/byte-source.ts';

/** @param {string} name @param {Uint8Array} bytes */
export async function fileSource(name, bytes) {
  return blobSource(name, new File([Uint8Array.from(bytes)], name));
}

/** @returns {never} */
export function scratchPath() {
  throw new Error('a page has no paths');
}
