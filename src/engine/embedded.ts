/** The embedded model: a memorising toy of the 13B architecture that answers the model card's
 *  prompts. It is loaded through the same code as any checkpoint. */

/** Its folder, which lies beside src/ and dist/ alike. */
export const EMBEDDED_MODEL = new URL('../../fixtures/embedded/', import.meta.url);
