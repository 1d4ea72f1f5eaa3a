/** Token ids as callers pass them: checked, and stripped of padding. */

import { BaichuanError } from '../errors.ts';

/** Checks ids before any work.
 *  @param where what they are called in the error @param room positions that are left for them
 *  @throws prompt-empty, token-id, context-length */
export function checkTokenIds(
  ids: readonly number[],
  vocabSize: number,
  where: string,
  room: number,
): void {
  if (!Array.isArray(ids) && (!ArrayBuffer.isView(ids) || ids instanceof DataView)) {
    throw new BaichuanError('token-id', {
      where,
      what: 'A list of token ids is needed here.',
      fix: 'Pass an array of integers; a tokenizer makes one of text.',
    });
  }
  if (ids.length === 0) {
    throw new BaichuanError('prompt-empty', {
      where,
      what: 'There is no token to start from.',
      fix: 'Pass at least one token id; this family adds no token of its own at the start.',
    });
  }
  const index = ids.findIndex((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
  if (index >= 0) {
    throw new BaichuanError('token-id', {
      where: `${where}[${index}]`,
      what: `${ids[index]} is not a token id of this model.`,
      fix: `Pass integers from 0 to ${vocabSize - 1}.`,
      expected: `0 … ${vocabSize - 1}`,
      found: ids[index],
    });
  }
  if (ids.length > room) {
    throw new BaichuanError('context-length', {
      where,
      what: `${ids.length} tokens do not fit the ${room} positions that are left.`,
      fix: 'Load the model with a larger context length (--context-length), or pass fewer tokens.',
      expected: room,
      found: ids.length,
    });
  }
}

/** Checks that taps are a list of patterns. @throws option-value */
export function expectTaps(taps: readonly string[]): void {
  if (Array.isArray(taps) && taps.every((pattern) => typeof pattern === 'string')) return;
  throw new BaichuanError('option-value', {
    where: 'taps',
    what: 'A list of patterns is needed here.',
    fix: "Pass an array of names, such as ['layers.*.probs'].",
  });
}

/** Leaves padding out: a row is the ids whose mask is 1, which must stand side by side. Positions
 *  count from the first of them, so a padded row has the same bits as the row alone.
 *  @throws attention-mask */
export function stripPadding(
  rows: readonly (readonly number[])[],
  attentionMask: readonly (readonly number[])[] | undefined,
): readonly (readonly number[])[] {
  if (attentionMask === undefined) return rows;
  if (attentionMask.length !== rows.length) {
    throw wrongMask(
      'attention_mask',
      `has ${attentionMask.length} rows for ${rows.length} prompts`,
    );
  }
  return rows.map((ids, row) => {
    const mask = attentionMask[row];
    const where = `attention_mask[${row}]`;
    if (mask.length !== ids.length) {
      throw wrongMask(where, `has ${mask.length} values for ${ids.length} ids`);
    }
    if (mask.some((value) => value !== 0 && value !== 1)) {
      throw wrongMask(where, 'has values other than 0 and 1');
    }
    const [start, end] = [mask.indexOf(1), mask.lastIndexOf(1) + 1];
    if (start < 0) throw wrongMask(where, 'masks every token of its row');
    if (mask.slice(start, end).includes(0)) throw wrongMask(where, 'has a hole between two tokens');
    return ids.slice(start, end);
  });
}

function wrongMask(where: string, what: string): BaichuanError {
  return new BaichuanError('attention-mask', {
    where,
    what: `The mask ${what}.`,
    fix: 'Pass one 1 per token and one 0 per padding id, with padding at the ends of a row only.',
  });
}
