/** How large a model file and its parts may be: with these limits, reading a file takes at most 1 s
 *  and 0.2 s a megabyte, and 64 MiB of memory and six times its bytes.
 *
 *  The published vocabularies are far below all of them: 64,000 pieces, and 125,696 of the
 *  generation after. */

/** The most bytes that a model file may have. */
export const MAX_MODEL_BYTES = 64 * 2 ** 20;
/** The most pieces. */
export const MAX_PIECES = 200_000;
/** The most bytes that the spelling of a piece, or another text but a self test, may have. */
export const MAX_TEXT_BYTES = 1024;
/** The most UTF-16 code units of all user-defined symbols together; published ones have under
 *  2¹³. */
export const MAX_SYMBOL_UNITS = 2 ** 18;
/** The most work that cutting all pieces may take: the sum of their squared lengths; the published
 *  vocabulary takes under 2²². */
export const MAX_CUT_WORK = 2 ** 23;
/** The most self tests. */
export const MAX_SELF_TESTS = 2 ** 10;
/** The most bytes of all self tests together: each is encoded when the model is loaded. */
export const MAX_SELF_TEST_BYTES = 2 ** 14;
