/** The embedded model: a memorising toy of the 13B architecture that answers the model card's
 *  prompts. It is loaded through the same code as any checkpoint. */

import { BaichuanError } from '../errors.ts';

/** From this file; its folder lies beside src/ and dist/ alike. */
const PLACE = '../../fixtures/embedded/';

/** The address of its folder.
 *  @throws io-not-found in a bundle of a format that does not know where it lies, as CommonJS */
export function embeddedModel(): URL {
  // A variable, because bundlers take `new URL(…, import.meta.url)` for a file to be copied.
  const here: string | undefined = import.meta.url;
  if (here !== undefined && URL.canParse(PLACE, here)) return new URL(PLACE, here);
  throw new BaichuanError('io-not-found', {
    where: 'source',
    what: 'This bundle does not know where the embedded model lies.',
    fix: "Pass a model's path, or leave baichuan-ts out of the bundle.",
  });
}
