/** Known bugs of the rotary positions (7B). */

import { alibiSlopes } from '../../layers/alibi.ts';
import { cos, pow, sin } from '../../math/index.ts';
import { createTensor, float32, type Tensor } from '../../tensor/tensor.ts';
import type { HeadShape } from '../attention-parts.ts';
import type { ReferenceSetup } from '../stage.ts';
import { type KnownBug, mapTensor, withAttention, withKernels } from './known-bug.ts';
import { roundBf16, roundF16 } from './rounding.ts';

export interface TurnOptions {
  readonly base: number;
  /** Added to every position. */
  readonly shift?: number | undefined;
  /** Multiplies every position. */
  readonly factor?: number | undefined;
  /** Pairs (2i, 2i + 1) instead of (i, i + D/2). */
  readonly interleaved?: boolean | undefined;
  /** Channels that are turned; all by default. */
  readonly channels?: number | undefined;
  /** What frequencies are powers of: base^(−2i/width); D by default. */
  readonly width?: number | undefined;
}

/** Turns queries or keys by their positions. @param x `[T, H, D]` @returns `[T, H, D]` */
export function turn(x: Float32Array, { T, H, D }: HeadShape, options: TurnOptions): Float32Array {
  const { base, shift = 0, factor = 1, interleaved = false, channels = D, width = D } = options;
  const y = Float32Array.from(x);
  const half = channels / 2;
  for (let row = 0; row < T * H; row++) {
    const position = (Math.floor(row / H) + shift) * factor;
    for (let i = 0; i < half; i++) {
      const angle = Math.fround(
        position * Math.fround(1 / Math.fround(pow(base, (2 * i) / width))),
      );
      const [first, second] = interleaved ? [2 * i, 2 * i + 1] : [i, i + half];
      const [a, b] = [x[row * D + first], x[row * D + second]];
      y[row * D + first] = a * cos(angle) - b * sin(angle);
      y[row * D + second] = b * cos(angle) + a * sin(angle);
    }
  }
  return y;
}

/** Another rotation in place of the published one. */
function turnBug(
  name: string,
  summary: string,
  options:
    | (Omit<TurnOptions, 'base'> & { readonly base?: number })
    | ((setup: ReferenceSetup) => TurnOptions),
): KnownBug {
  return {
    name,
    summary,
    position: 'rope',
    change: (setup) =>
      withKernels(setup, () => ({
        rotateHalves: (x) => {
          const { ropeTheta } = setup.config;
          const chosen =
            typeof options === 'function' ? options(setup) : { base: ropeTheta, ...options };
          return turned(x, chosen);
        },
      })),
  };
}

function turned(x: Tensor, options: TurnOptions): Tensor {
  const [T, H, D] = x.shape;
  const y = createTensor(x.shape);
  float32(y).set(turn(float32(x), { T, H, D }, options));
  return y;
}

/** Cosines and sines rounded before they are used. */
function tableBug(name: string, summary: string, round: (x: number) => number): KnownBug {
  return {
    name,
    summary,
    position: 'rope',
    change: (setup) =>
      withKernels(setup, (kernels) => ({
        rotateHalves: (x, c, s) =>
          kernels.rotateHalves(x, mapTensor(c, round), mapTensor(s, round)),
      })),
  };
}

/** Only the first or only the second of the two rotations, queries then keys. */
function halfBug(name: string, summary: string, left: number): KnownBug {
  return {
    name,
    summary,
    position: 'rope',
    change: (setup) => {
      let calls = 0;
      return withKernels(setup, (kernels) => ({
        rotateHalves: (x, c, s) =>
          calls++ % 2 === left ? mapTensor(x, (value) => value) : kernels.rotateHalves(x, c, s),
      }));
    },
  };
}

export const ROTARY_BUGS: readonly KnownBug[] = [
  turnBug('rope-missing', 'Queries and keys are not turned at all.', { factor: 0 }),
  turnBug(
    'rope-interleaved',
    'Channels are paired with their neighbours, (2i, 2i+1), and not in halves, (i, i + D/2).',
    { interleaved: true },
  ),
  turnBug(
    'rope-position-plus-one',
    'Positions count from 1: outputs are the same, cached keys are not.',
    { shift: 1 },
  ),
  turnBug('rope-direction', 'Rotation goes the wrong way: the signs of the sines are exchanged.', {
    factor: -1,
  }),
  turnBug('rope-base', 'The base of the frequencies is 500000 instead of 10000.', {
    base: 500_000,
  }),
  turnBug('rope-scaled', 'Positions are halved, as linear scaling for long contexts does.', {
    factor: 0.5,
  }),
  turnBug(
    'rope-frequencies-of-hidden-size',
    'Frequencies are powers of 2i/hidden size instead of 2i/head size.',
    ({ config }) => ({ base: config.ropeTheta, width: config.hiddenSize }),
  ),
  turnBug(
    'rope-half-of-channels',
    'Only the first half of the channels of a head is turned (partial rotary).',
    ({ config }) => ({ base: config.ropeTheta, channels: 2 * Math.floor(config.headDim / 4) }),
  ),
  tableBug('rope-tables-f16', 'Cosines and sines are rounded to float16.', roundF16),
  tableBug('rope-tables-bf16', 'Cosines and sines are rounded to bfloat16.', roundBf16),
  halfBug('rope-keys-only', 'Keys are turned and queries are not.', 0),
  halfBug('rope-queries-only', 'Queries are turned and keys are not.', 1),
  {
    name: 'alibi-for-rope',
    summary: 'An ALiBi bias is added to a rotary model: it was taken for a 13B model.',
    position: 'rope',
    change: (setup) =>
      withAttention(setup, ({ scores }) => ({
        scores: (q, k, options) => scores(q, k, { ...options, slopes: alibiSlopes(options.H) }),
      })),
  },
];
