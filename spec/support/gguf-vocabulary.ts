/** A `tokenizer.model` through a GGUF file: written there, read back, made a tokenizer again. */

import { readGgufVocabulary } from '../../src/engine/gguf-vocabulary.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { baichuanMetadata, EXACT_TYPES } from '../../src/formats/gguf/baichuan-metadata.ts';
import { readGgufHeader } from '../../src/formats/gguf/header.ts';
import { readVocabulary } from '../../src/formats/gguf/vocabulary.ts';
import { ggufHeader } from '../../src/formats/gguf/writer.ts';
import { type Tokenizer, tokenizerFromPieces } from '../../src/tokenizer/index.ts';

const SIZES = {
  ...{ hiddenSize: 8, intermediateSize: 12, numHiddenLayers: 2, numAttentionHeads: 2, headDim: 4 },
  ...{ modelMaxLength: 40, rmsNormEps: 1e-6, position: 'rope' as const },
};

/** Writes and reads a vocabulary.
 *  @param options.asConverter as llama.cpp's converter writes: no piece is user-defined, and
 *  whether a space belongs before a text is not said */
export async function throughGguf(
  model: Uint8Array,
  options: { asConverter?: boolean } = {},
): Promise<{ tokenizer: Tokenizer; notices: readonly string[] }> {
  const vocabulary = readGgufVocabulary(model);
  const sizes = { ...SIZES, vocabSize: vocabulary.pieces.count };
  if (options.asConverter === true) {
    const { types } = vocabulary.pieces;
    types.forEach((type, id) => {
      if (type === 4) types[id] = 1;
    });
  }
  const metadata = baichuanMetadata(sizes, vocabulary, 'F32', 'vocabulary');
  if (options.asConverter === true) {
    metadata.delete('tokenizer.ggml.add_space_prefix');
    metadata.delete(EXACT_TYPES);
  }
  const source = bufferSource('vocabulary.gguf', ggufHeader(metadata, []));
  const header = await readGgufHeader(source);
  const read = readVocabulary(header.metadata, source.name);
  if (read === undefined) throw new Error('no vocabulary');
  return { tokenizer: tokenizerFromPieces(read.vocabulary), notices: read.notices };
}
