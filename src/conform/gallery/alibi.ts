/** Known bugs of the ALiBi bias (13B). */

import { alibiSlopes } from '../../layers/alibi.ts';
import { pow } from '../../math/index.ts';
import { attentionScores, PUBLISHED_SCORES, type ScoreOptions } from '../attention-parts.ts';
import { type KnownBug, withAttention } from './known-bug.ts';
import { turn } from './rotary.ts';
import { roundBf16, roundF16 } from './rounding.ts';

/** A bug of the scores alone: other options for the same equation. */
function scoresBug(
  name: string,
  summary: string,
  change: (options: ScoreOptions) => Partial<ScoreOptions>,
): KnownBug {
  return {
    name,
    summary,
    position: 'alibi',
    change: (setup) =>
      withAttention(setup, ({ scores }) => ({
        scores: (q, k, options) => scores(q, k, { ...options, ...change(options) }),
      })),
  };
}

function slopesBug(
  name: string,
  summary: string,
  slopesOf: (heads: number, published: Float32Array) => ArrayLike<number>,
): KnownBug {
  return scoresBug(name, summary, ({ H, slopes }) => ({
    slopes: Float32Array.from(slopesOf(H, slopes ?? alibiSlopes(H))),
  }));
}

/** 2^(−8(h + 1)/n). */
function geometric(n: number): number[] {
  return Array.from({ length: n }, (_, h) => pow(2, (-8 * (h + 1)) / n));
}

function powerBelow(heads: number): number {
  let power = 1;
  while (power * 2 <= heads) power *= 2;
  return power;
}

export const ALIBI_BUGS: readonly KnownBug[] = [
  slopesBug(
    'alibi-missing',
    'No ALiBi bias is added: the model knows no positions.',
    (heads) => new Float32Array(heads),
  ),
  slopesBug(
    'alibi-slopes-geometric',
    'Slopes are 2^(−8(h+1)/n) for a head count that is no power of two, 40 among them.',
    geometric,
  ),
  slopesBug(
    'alibi-slopes-not-interleaved',
    'The slopes behind the power of two are taken one after the other, without [0::2].',
    (heads) => {
      const power = powerBelow(heads);
      return [...geometric(power), ...geometric(2 * power).slice(0, heads - power)];
    },
  ),
  slopesBug(
    'alibi-slopes-next-power',
    'All slopes are the first of the table for the next power of two, such as 64 for 40 heads.',
    (heads) =>
      geometric(powerBelow(heads) === heads ? heads : 2 * powerBelow(heads)).slice(0, heads),
  ),
  slopesBug(
    'alibi-slopes-sharded',
    'Every half of the heads uses the slopes of the first half, as tensor-parallel shards do.',
    (heads, slopes) => slopes.map((_, h) => slopes[h % Math.ceil(heads / 2)]),
  ),
  slopesBug('alibi-slopes-reversed', 'Slopes are assigned to the heads in reverse.', (_h, slopes) =>
    [...slopes].reverse(),
  ),
  slopesBug('alibi-sign', 'The bias is subtracted: far keys are preferred.', (_heads, slopes) =>
    slopes.map((slope) => -slope),
  ),
  slopesBug(
    'alibi-single-slope',
    'Every head uses the slope of the first: the slope is not broadcast along the heads.',
    (_heads, slopes) => slopes.map(() => slopes[0]),
  ),
  scoresBug(
    'alibi-before-scaling',
    'The bias is added before the scores are divided by √D.',
    ({ slopes, scale }) => ({ slopes: slopes?.map((slope) => slope * scale) ?? null }),
  ),
  scoresBug(
    'alibi-position-plus-one',
    'Key positions count from 1: outputs are the same, raw scores are not the published ones.',
    () => ({ bias: (slope, _t, s) => Math.fround(slope * (s + 1)) }),
  ),
  scoresBug(
    'alibi-distance-form',
    'The bias is slope · (key − query): outputs are the same, raw scores are not those published.',
    () => ({ bias: (slope, t, s) => Math.fround(slope * (s - t)) }),
  ),
  scoresBug(
    'alibi-query-index',
    'The bias counts query positions, not key positions: softmax cancels it altogether.',
    () => ({ bias: (slope, t) => Math.fround(slope * t) }),
  ),
  scoresBug(
    'alibi-bias-f16',
    'The bias by absolute position is rounded to float16: 1.0 too far at 4096 positions.',
    () => ({ bias: (slope, _t, s) => roundF16(slope * s) }),
  ),
  scoresBug(
    'alibi-bias-bf16',
    'The bias by absolute position is rounded to bfloat16: 8 too far at 4096 positions.',
    () => ({ bias: (slope, _t, s) => roundBf16(slope * s) }),
  ),
  {
    name: 'rope-for-alibi',
    summary: 'Rotary positions are used where this model has ALiBi: it was taken for a 7B model.',
    position: 'alibi',
    change: (setup) =>
      withAttention(setup, () => ({
        scores: (q, k, options) => {
          const [query, key] = [q, k].map((x) => turn(x, options, { base: 10_000 }));
          return attentionScores(query, key, { ...options, ...PUBLISHED_SCORES, slopes: null });
        },
      })),
  },
];
