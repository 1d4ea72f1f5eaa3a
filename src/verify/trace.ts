/** Activation traces: every tensor of one prefill under its module path in the published model.
 *
 *  Names: `<module path>.output` for every module, `….self_attn.o_proj.input`,
 *  `….mlp.down_proj.input`, `….self_attn.scores` and `.probs` [H, T, S], 7B also
 *  `….self_attn.query_rotated` and `.key_rotated` [H, T, D], `logits` [T, V], `input_ids` [T]. */

import { BaichuanError, quote } from '../errors.ts';

/** One recorded tensor. */
export interface TraceTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** What a prefill of `inputIds` showed, in the order of execution. */
export interface Trace {
  readonly inputIds: readonly number[];
  readonly tensors: ReadonlyMap<string, TraceTensor>;
}

/** Chooses tensors by name. */
export type TapFilter = (name: string) => boolean;

/** A filter for patterns in which `*` stands for any characters, dots included. A leading `model.`
 *  may be left out: `layers.*.self_attn.probs` is `model.layers.*.self_attn.probs`.
 *  @param patterns none chooses everything */
export function tapFilter(patterns: readonly string[]): TapFilter {
  if (patterns.length === 0) return () => true;
  const expressions = patterns.map((pattern) => {
    const literal = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
    return new RegExp(`^(model\\.)?${literal}$`);
  });
  return (name) => expressions.some((expression) => expression.test(name));
}

/** Checks that every pattern chose something.
 *  @param names all names that the model could have given @throws option-value */
export function expectMatches(patterns: readonly string[], names: readonly string[]): void {
  const unmatched = patterns.find((pattern) => !names.some(tapFilter([pattern])));
  if (unmatched === undefined) return;
  throw new BaichuanError('option-value', {
    where: 'taps',
    what: `No activation of this model is named ${quote(unmatched)}.`,
    fix: `Use names such as ${names.slice(1, 4).join(', ')}, with * for any characters.`,
  });
}
