/** The options of benches for the sizes of a made-up model. */

import type { SyntheticSizes } from './synthetic-model.ts';

export const SIZES_13B: SyntheticSizes = {
  ...{ layers: 40, hidden: 5120, intermediate: 13_696, heads: 40, vocabulary: 64_000 },
};

export const SIZES_7B: SyntheticSizes = {
  ...{ layers: 32, hidden: 4096, intermediate: 11_008, heads: 32, vocabulary: 64_000 },
};

/** 637 million weights, in as many layers as 13B. */
export const SIZES_637M: SyntheticSizes = {
  ...{ layers: 40, hidden: 1024, intermediate: 2752, heads: 8, vocabulary: 64_000 },
};

const NAMES = ['layers', 'hidden', 'intermediate', 'heads', 'vocabulary'] as const;

type Name = (typeof NAMES)[number];

/** For `parseArgs`. */
export function sizeOptions() {
  const text = { type: 'string' } as const;
  return { layers: text, hidden: text, intermediate: text, heads: text, vocabulary: text };
}

/** The sizes that were asked for, and others as they are by default. */
export function sizesOf(
  values: Readonly<Partial<Record<Name, string>>>,
  defaults: SyntheticSizes,
): SyntheticSizes {
  const asked = NAMES.flatMap((name): [Name, number][] => {
    const value = values[name];
    return value === undefined ? [] : [[name, Number(value)]];
  });
  return { ...defaults, ...Object.fromEntries(asked) };
}
