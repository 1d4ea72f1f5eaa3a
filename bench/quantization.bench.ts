/** What the types of weights cost: divergence from the float32 model, weight error and size.
 *
 *  Usage: npm run bench:quantization [-- --quick] [-- --json]. On the embedded model over all of
 *  its own text (a part of it with --quick), and on normally distributed weights with rows of 1024
 *  and 2752, without and with outlier channels. KL: Kullback–Leibler divergence of the next-token
 *  distribution from that of the float32 model, in nats; top-1: share of tokens with the same most
 *  probable successor; error: Σ (w − w′)² / Σ w² of the linear layers. `int8` and `int4` stand for
 *  what `load` does by default, int8 activations and cache included; `exact` for float32
 *  activations. Q8_0 and Q4_0 are ggml's quantizers on the same weights, with float32 activations
 *  and cache, and with eight bits for embedding and head. */

import { parseArgs } from 'node:util';
import { type Divergence, divergence } from '../spec/support/divergence.ts';
import { gaussianModel } from '../spec/support/gaussian-model.ts';
import {
  embeddedParts,
  embeddedText,
  logitsOf,
  type ModelParts,
  SCHEMES,
  type SchemeName,
  weightFigures,
} from '../spec/support/quantized-models.ts';

interface Row extends Divergence {
  readonly type: string;
  readonly squaredError: number;
  readonly bytes: number;
}

interface Table {
  readonly model: string;
  readonly tokens: number;
  readonly rows: readonly Row[];
  /** The goals of the project, found and at most. */
  readonly ratios: Readonly<Record<string, number>>;
}

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});

const WIDE = { hidden: 1024, intermediate: 2752, layers: 2, heads: 8, vocabulary: 2000, seed: 11 };
const WIDE_TOKENS = options.quick ? 48 : 256;

async function measure(
  model: string,
  parts: ModelParts,
  sequences: readonly (readonly number[])[],
): Promise<Table> {
  const expected = await logitsOf(parts, 'float32', sequences);
  const vocabulary = Number(parts.config.vocab_size);
  const rows = new Map<SchemeName, Row>();
  for (const type of Object.keys(SCHEMES) as SchemeName[]) {
    const found = type === 'float32' ? expected : await logitsOf(parts, type, sequences);
    const figures = weightFigures(parts, type);
    rows.set(type, { type, ...divergence(expected, found, vocabulary), ...figures });
  }
  const meanOf = (type: SchemeName) => rows.get(type)?.mean ?? Number.NaN;
  return {
    model,
    tokens: sequences.reduce((sum, ids) => sum + ids.length, 0),
    rows: [...rows.values()],
    ratios: {
      int4_vs_Q4_0: meanOf('int4') / meanOf('Q4_0'),
      int4_vs_int4_channel: meanOf('int4') / meanOf('int4-channel'),
      int8_exact_vs_Q8_0: meanOf('int8 exact') / meanOf('Q8_0'),
    },
  };
}

function print({ model, tokens, rows, ratios }: Table): void {
  console.log(`\n${model}, ${tokens} tokens`);
  console.log('type            mean KL    max KL     top-1     error      MB');
  for (const { type, mean, greatest, top1, squaredError, bytes } of rows) {
    const columns = [
      type.padEnd(13),
      mean.toExponential(2).padStart(9),
      greatest.toExponential(2).padStart(9),
      `${(100 * top1).toFixed(2)} %`.padStart(9),
      squaredError.toExponential(2).padStart(9),
      (bytes / 1e6).toFixed(2).padStart(7),
    ];
    console.log(columns.join(' '));
  }
  const named = Object.entries(ratios).map(([name, ratio]) => `${name} ${ratio.toFixed(3)}`);
  console.log(`mean KL: ${named.join(', ')}`);
}

const ids = Array.from({ length: WIDE_TOKENS }, (_, i) => (i * 7919 + 17) % WIDE.vocabulary);
const models: [string, () => ModelParts, number[][]][] = [
  ['embedded model, its own text', embeddedParts, embeddedText(options.quick ? 8 : 1)],
  [
    'normal weights, rows of 1024 and 2752',
    () => gaussianModel({ ...WIDE, outliers: { count: 0, factor: 1 } }),
    [ids],
  ],
  [
    'the same with 8 input channels of each layer 10 times larger',
    () => gaussianModel({ ...WIDE, outliers: { count: 8, factor: 10 } }),
    [ids],
  ],
];

const tables: Table[] = [];
for (const [name, parts, sequences] of models) {
  const table = await measure(name, parts(), sequences);
  tables.push(table);
  if (!options.json) print(table);
}
if (options.json) console.log(JSON.stringify({ runtime: process.version, tables }, null, 2));
