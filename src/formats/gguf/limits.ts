/** How much a GGUF header may hold; the published models are far below all of them. With these,
 *  reading a header takes time and memory in proportion to its bytes. */

/** Key-value pairs. */
export const MAX_PAIRS = 65_536;
/** Tensors. */
export const MAX_TENSORS = 100_000;
/** Bytes of a key. */
export const MAX_KEY_BYTES = 65_536;
/** Bytes of a text. */
export const MAX_STRING_BYTES = 2 ** 20;
/** Items of an array. */
export const MAX_ITEMS = 4 * 2 ** 20;
/** Bytes of all texts of an array. */
export const MAX_ITEM_BYTES = 64 * 2 ** 20;
/** Bytes of the name of a tensor; ggml keeps 64 with the zero at the end. */
export const MAX_NAME_BYTES = 63;
/** Axes of a tensor. */
export const MAX_AXES = 4;
/** Elements along an axis. */
export const MAX_DIM = 2 ** 32;
/** Bytes to which data may be aligned. */
export const MAX_ALIGNMENT = 65_536;
/** Files of a split model. */
export const MAX_SPLITS = 1000;
