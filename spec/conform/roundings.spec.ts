/** The bars on correct variants of the model: no false alarm. `BAICHUAN_VARIANTS=1000` tries
 *  more. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attentionProbs, attentionScores } from '../../src/conform/attention-parts.ts';
import { compareTraces } from '../../src/conform/compare-traces.ts';
import { judgeLocally } from '../../src/conform/diagnose.ts';
import { turn } from '../../src/conform/gallery/rotary.ts';
import { roundBf16, roundF16 } from '../../src/conform/gallery/rounding.ts';
import { numbersOfWeight } from '../../src/conform/oracle-kernels.ts';
import type { ReferenceSetup } from '../../src/conform/stage.ts';
import type { LinearWeight } from '../../src/kernels/kernels.ts';
import { float32, type Tensor, tensorOf } from '../../src/tensor/tensor.ts';
import { MASKED_BELOW } from '../../src/verify/statistics.ts';
import { GOLDENS } from '../support/goldens.ts';
import { goldenModel, recordModel } from '../support/oracle.ts';
import { goldenMetadata, memoryTrace } from '../support/traces.ts';

const roundings = suite('roundings');
const VARIANTS = Number(process.env.BAICHUAN_VARIANTS ?? 60);
/** With longer prompts a score of these models, rounded to half precision, may exchange the key
 *  that a query sees most: no bar of a class has room for that. */
const HALF_VARIANTS = 6;
const f = Math.fround;

/** A sum of products in float32: `lanes` partial sums, forwards or backwards, then joined. */
function dot(a: Float32Array, b: Float32Array, [i, j, n]: number[], variant: Variant): number {
  const sums = new Float32Array(variant.lanes);
  for (let step = 0; step < n; step++) {
    const at = variant.isBackward ? n - 1 - step : step;
    const lane = step % variant.lanes;
    sums[lane] = f(sums[lane] + f(a[i + at] * b[j + at]));
  }
  return sums.reduce((sum, x) => f(sum + x), 0);
}

interface Variant {
  readonly lanes: number;
  readonly isBackward: boolean;
  readonly exactAngles: boolean;
  readonly narrowNorm: boolean;
  readonly narrowSoftmax: boolean;
}

function variantOf(seed: number): Variant {
  return {
    lanes: [1, 2, 3, 4, 5, 7, 8, 13, 16, 32][seed % 10],
    isBackward: Math.floor(seed / 10) % 2 === 1,
    exactAngles: Math.floor(seed / 20) % 2 === 1,
    narrowNorm: Math.floor(seed / 40) % 2 === 1,
    narrowSoftmax: Math.floor(seed / 80) % 2 === 1,
  };
}

function changed(setup: ReferenceSetup, variant: Variant): ReferenceSetup {
  const linear = (x: Tensor, weight: LinearWeight) => {
    const [T, K] = x.shape;
    const table = numbersOfWeight(weight) as Tensor;
    const [a, b, out] = [float32(x), float32(table), weight.outFeatures];
    const y = Float32Array.from({ length: T * out }, (_, i) =>
      dot(a, b, [Math.floor(i / out) * K, (i % out) * K, K], variant),
    );
    return tensorOf(y, [T, out]);
  };
  const rmsNorm = (x: Tensor, weight: Tensor, eps: number) => {
    const [T, C] = x.shape;
    const [values, weights] = [float32(x), float32(weight)];
    const y = values.map((value, i) => {
      const row = Math.floor(i / C) * C;
      const squares = f(dot(values, values, [row, row, C], variant) / C);
      return f(f(value * f(1 / f(Math.sqrt(f(squares + eps))))) * weights[i % C]);
    });
    return tensorOf(y, [T, C]);
  };
  const rotateHalves = (x: Tensor, cos: Tensor, sin: Tensor) => {
    if (!variant.exactAngles) return setup.kernels.rotateHalves(x, cos, sin);
    const [T, H, D] = x.shape;
    // Positions are few here, so that float32 and exact angles differ in their last bits only.
    return tensorOf(turn(float32(x), { T, H, D }, { base: 10_000 }), x.shape);
  };
  const kernels = { ...setup.kernels, linear, rotateHalves };
  const attention = {
    ...setup.attention,
    scores: (q: Float32Array, k: Float32Array, options: Parameters<typeof attentionScores>[2]) => {
      const { H, D, T, scale, slopes } = options;
      const masks = attentionScores(q, k, options);
      return masks.map((score, i) => {
        const [h, t, s] = [Math.floor(i / (T * T)), Math.floor(i / T) % T, i % T];
        if (s > t) return score;
        const product = f(dot(q, k, [(t * H + h) * D, (s * H + h) * D, D], variant) * scale);
        return slopes === null ? product : f(product + f(slopes[h] * s));
      });
    },
    probs: (scores: Float32Array, shape: Parameters<typeof attentionProbs>[1]) =>
      variant.narrowSoftmax ? narrowSoftmax(scores, shape.T) : attentionProbs(scores, shape),
  };
  return { ...setup, kernels: variant.narrowNorm ? { ...kernels, rmsNorm } : kernels, attention };
}

/** Products, norms, rotations and attention stored in a half precision. */
function halved(setup: ReferenceSetup, round: (x: number) => number): ReferenceSetup {
  const stored = (values: Float32Array) => values.map(round);
  const kept = (x: Tensor) => tensorOf(stored(float32(x)), x.shape);
  const { linear, rmsNorm, rotateHalves } = setup.kernels;
  const { scores, probs, values } = setup.attention;
  const kernels: ReferenceSetup['kernels'] = {
    ...setup.kernels,
    linear: (...args) => kept(linear(...args)),
    rmsNorm: (...args) => kept(rmsNorm(...args)),
    rotateHalves: (...args) => kept(rotateHalves(...args)),
  };
  const attention: ReferenceSetup['attention'] = {
    scores: (...args) => scores(...args).map((x) => (x < MASKED_BELOW ? x : round(x))),
    probs: (...args) => stored(probs(...args)),
    values: (...args) => stored(values(...args)),
  };
  return { ...setup, kernels, attention };
}

/** Softmax with everything in float32. */
function narrowSoftmax(scores: Float32Array, T: number): Float32Array {
  const probs = new Float32Array(scores.length);
  for (let row = 0; row < scores.length; row += T) {
    const values = scores.subarray(row, row + T);
    const max = values.reduce((a, b) => Math.max(a, b));
    const exponentials = values.map((x) => Math.exp(f(x - max)));
    const sum = exponentials.reduce((a, b) => f(a + b), 0);
    probs.set(
      exponentials.map((x) => f(x / sum)),
      row,
    );
  }
  return probs;
}

for (const golden of GOLDENS.slice(0, 2)) {
  roundings(`law: ${VARIANTS / 2} correct variants raise no alarm (${golden.name})`, async () => {
    const model = await goldenModel(golden);
    for (let seed = 0; seed < VARIANTS / 2; seed++) {
      const ids = Array.from({ length: 4 + (seed % 9) }, (_, i) => (seed * 31 + i * 17) % 96);
      const expected = await memoryTrace(await recordModel(model, ids), goldenMetadata(golden));
      const variant = variantOf(seed);
      const change = (setup: ReferenceSetup) => changed(setup, variant);
      const found = await memoryTrace(await recordModel(model, ids, change));
      const { pass, first } = await compareTraces(expected, found);
      assert.ok(pass, `${JSON.stringify(variant)}: ${JSON.stringify(first)}`);
      const { verdicts } = await judgeLocally(model, found, ids, { arithmetic: 'f32' });
      assert.equal(
        verdicts.filter(({ status }) => status === 'beyond').map(({ name }) => name),
        [],
        JSON.stringify(variant),
      );
    }
  });
}

for (const [arithmetic, round] of [
  ['bf16', roundBf16],
  ['f16', roundF16],
] as const) {
  roundings(`law: correct variants in ${arithmetic} raise no alarm in their class`, async () => {
    for (const golden of GOLDENS) {
      const model = await goldenModel(golden);
      for (let seed = 0; seed < HALF_VARIANTS; seed++) {
        const { vocabSize } = golden.config;
        const ids = Array.from({ length: 20 + seed }, (_, i) => (seed * 31 + i * 17) % vocabSize);
        const expected = await memoryTrace(await recordModel(model, ids), goldenMetadata(golden));
        const change = (setup: ReferenceSetup) => halved(setup, round);
        const found = await memoryTrace(await recordModel(model, ids, change));
        const { pass, first } = await compareTraces(expected, found, { class: arithmetic });
        assert.ok(pass, `${golden.name} ${seed}: ${JSON.stringify(first)}`);
        assert.not.ok((await compareTraces(expected, found)).pass, 'beyond float32');
        const { verdicts } = await judgeLocally(model, found, ids, { arithmetic });
        const beyond = verdicts.filter(({ status }) => status === 'beyond');
        assert.equal(beyond, [], golden.name);
      }
    }
  });
}

roundings.run();
