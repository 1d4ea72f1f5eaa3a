/** Whether a tokenizer and a checkpoint belong together, by the size of the vocabulary.
 *
 *  The embedding matrix `[V, C]` must have a row for every piece. It may have more: published
 *  checkpoints round V up, and the rows beyond the vocabulary are never spoken of. */
import { BaichuanError } from '../errors.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface CheckVocabularyOptions {
  /** The tokenizer file as the message shall name it. */
  file?: string;
  /** What has the rows: a tensor's name, or `vocab_size`. */
  rowsOf?: string;
}

/** Compares the number of pieces with the number of rows of the embedding.
 *  @param rows V of the model
 *  @returns a notice when the model has rows without a piece, else undefined
 *  @throws tokenizer-mismatch when some piece has no row */
export function checkVocabulary(
  tokenizer: Pick<Tokenizer, 'vocabSize'>,
  rows: number,
  options: CheckVocabularyOptions = {},
): string | undefined {
  const { file = 'tokenizer.model', rowsOf = 'the embedding' } = options;
  const { vocabSize } = tokenizer;
  if (vocabSize === rows) return undefined;
  if (vocabSize < rows) {
    const range = vocabSize === rows - 1 ? `id ${vocabSize}` : `ids ${vocabSize}…${rows - 1}`;
    return `${file} has ${vocabSize} pieces, and ${rowsOf} ${rows} rows: ${range} have no text.`;
  }
  throw new BaichuanError('tokenizer-mismatch', {
    file,
    where: rowsOf,
    what: `the tokenizer has ${vocabSize} pieces, but the model has ${rows} rows.`,
    fix: 'Load the tokenizer.model that came with this checkpoint.',
    expected: rows,
    found: vocabSize,
  });
}
