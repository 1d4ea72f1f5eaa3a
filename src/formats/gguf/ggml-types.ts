/** The types of tensors in GGUF files: their number there, and how many bytes a block of elements
 *  takes. Blocks lie along a row. Source: ggml/include/ggml.h, enum ggml_type, and the structs of
 *  ggml/src/ggml-common.h. */

export interface GgmlType {
  readonly id: number;
  readonly blockElements: number;
  readonly blockBytes: number;
}

/** The types that are read. */
export const GGML_TYPES = {
  F32: { id: 0, blockElements: 1, blockBytes: 4 },
  F16: { id: 1, blockElements: 1, blockBytes: 2 },
  BF16: { id: 30, blockElements: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockElements: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockElements: 32, blockBytes: 20 },
  Q5_0: { id: 6, blockElements: 32, blockBytes: 22 },
  Q5_1: { id: 7, blockElements: 32, blockBytes: 24 },
  Q8_0: { id: 8, blockElements: 32, blockBytes: 34 },
  Q2_K: { id: 10, blockElements: 256, blockBytes: 84 },
  Q3_K: { id: 11, blockElements: 256, blockBytes: 110 },
  Q4_K: { id: 12, blockElements: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockElements: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockElements: 256, blockBytes: 210 },
} as const satisfies Record<string, GgmlType>;

export type GgmlTypeName = keyof typeof GGML_TYPES;

/** The types that are written. */
export type WritableType = 'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0';

/** Types that other readers know, and that were removed from the format, by number: a message can
 *  name them. */
export const OTHER_GGML_TYPES: Readonly<Record<number, string>> = {
  4: 'Q4_2 (removed)',
  5: 'Q4_3 (removed)',
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  31: 'Q4_0_4_4 (removed)',
  32: 'Q4_0_4_8 (removed)',
  33: 'Q4_0_8_8 (removed)',
  34: 'TQ1_0',
  35: 'TQ2_0',
  36: 'IQ4_NL_4_4 (removed)',
  37: 'IQ4_NL_4_8 (removed)',
  38: 'IQ4_NL_8_8 (removed)',
  39: 'MXFP4',
};

/** Bytes of a row of a type.
 *  @param columns a multiple of the type's block */
export function rowByteLength(type: GgmlTypeName, columns: number): number {
  const { blockElements, blockBytes } = GGML_TYPES[type];
  return (columns / blockElements) * blockBytes;
}
