/** SHA-256 of what comes piece by piece, from the runtime: WebCrypto wants all of it at once. */

import { createHash } from 'node:crypto';

/** Begins a hash. */
export function createSha256(): { update(bytes: Uint8Array): void; digest(): string } {
  const hash = createHash('sha256');
  return {
    update: (bytes) => {
      hash.update(bytes);
    },
    digest: () => hash.digest('hex'),
  };
}
