/** Quantized activations against their mirror, in every build that this runtime can run. */

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { quantizeActivations } from '../../src/kernels/reference/quantize-activations.ts';
import {
  bitsOf,
  KERNEL_BUILDS,
  type KernelBuild,
  unpackActivations,
  Workbench,
} from '../support/kernel-builds.ts';
import { randomSource } from '../support/random.ts';
import { randomIntegers } from '../support/random-integers.ts';

interface Quantized {
  readonly q: Int8Array;
  readonly scales: Float32Array;
  readonly offsets: Int32Array;
}

function mirrorOf(x: Float32Array, T: number, inFeatures: number): Quantized {
  const G = Math.ceil(inFeatures / 32);
  const q = new Int8Array(32 * T * G).fill(99);
  const [scales, offsets] = [new Float32Array(T * G), new Int32Array(T * G)];
  quantizeActivations(q, scales, offsets, x, T, inFeatures, 0, T);
  return { q, scales, offsets };
}

function runKernel(
  build: KernelBuild,
  x: Float32Array,
  T: number,
  inFeatures: number,
  { shift = 0, ends = [T], atEnd = false } = {},
): Quantized {
  const G = Math.ceil(inFeatures / 32);
  const workbench = new Workbench(build);
  const qBytes = 32 * Number(build.kernels.activationBytes.value);
  const qPtr = workbench.place(new Int8Array(T * G * qBytes), shift);
  const scalesPtr = workbench.place(new Float32Array(T * G), shift);
  const offsetsPtr = workbench.place(new Int32Array(T * G), shift);
  const xPtr = atEnd ? workbench.placeLast(x) : workbench.place(x, shift);
  let begin = 0;
  for (const end of ends) {
    workbench.remember();
    build.kernels.quantizeActivations(qPtr, scalesPtr, offsetsPtr, xPtr, T, inFeatures, begin, end);
    // The tokens of the range in the row of every group.
    const ranges = (ptr: number, bytes: number) =>
      Array.from({ length: G }, (_, g) => {
        const row = ptr + g * T * bytes;
        return [row + begin * bytes, row + end * bytes] as const;
      });
    const written = [...ranges(qPtr, qBytes), ...ranges(scalesPtr, 4), ...ranges(offsetsPtr, 4)];
    assert.is(workbench.changedOutside(written), 0, `rows ${begin} to ${end}`);
    begin = end;
  }
  return {
    q: unpackActivations(workbench.int8(qPtr, T * G * qBytes), build),
    scales: workbench.float32(scalesPtr, T * G),
    offsets: workbench.int32(offsetsPtr, T * G),
  };
}

function expectSame(found: Quantized, expected: Quantized, where: string): void {
  assert.equal(bitsOf(found.scales), bitsOf(expected.scales), `scales, ${where}`);
  assert.equal(found.q, expected.q, `q, ${where}`);
  assert.equal(found.offsets, expected.offsets, `offsets, ${where}`);
}

const spec = suite('quantize-activations');

for (const build of KERNEL_BUILDS) {
  spec(`pair: ${build.name} agrees bit for bit at every length 0 to 131 and alignment`, () => {
    for (let length = 0; length <= 131; length += 1) {
      const T = length % 4;
      const x = randomSource(length + 1).signed(T * length, 10 ** ((length % 7) - 3));
      for (const options of [{ shift: 4 * (length % 4) }, { atEnd: true }]) {
        expectSame(runKernel(build, x, T, length, options), mirrorOf(x, T, length), `${length}`);
      }
    }
  });

  spec(`pair: ${build.name} agrees on halves, on numbers of every size, and on none`, () => {
    // Any bit pattern: NaN, infinities, subnormal numbers; then groups of one size each.
    const anything = new Float32Array(randomIntegers(7, 64 * 96, -(2 ** 31), 2 ** 31 - 1).buffer);
    expectSame(runKernel(build, anything, 64, 96), mirrorOf(anything, 64, 96), 'any pattern');
    for (let power = -149; power < 128; power += 1) {
      const x = randomSource(power + 200).signed(75, 2 ** power);
      expectSame(runKernel(build, x, 1, 75), mirrorOf(x, 1, 75), `2^${power}`);
    }
    const halves = Float32Array.from({ length: 64 }, (_, i) => (i === 3 ? 127 : i - 31.5));
    expectSame(runKernel(build, halves, 2, 32), mirrorOf(halves, 2, 32), 'halves');
  });

  spec(`law: ${build.name} gives the same in any ranges of tokens`, () => {
    const x = randomSource(5).signed(7 * 45);
    for (const ends of [
      [3, 7],
      [1, 1, 5, 7],
    ]) {
      expectSame(runKernel(build, x, 7, 45, { ends }), mirrorOf(x, 7, 45), String(ends));
    }
  });
}

spec('law: q · scale lies within half a scale of x, and the largest magnitude is ±127', () => {
  const x = randomSource(11).signed(5 * 96, 3);
  const { q, scales, offsets } = mirrorOf(x, 5, 96);
  x.forEach((value, i) => {
    const place = Math.floor((i % 96) / 32) * 5 + Math.floor(i / 96);
    const scale = scales[place];
    assert.ok(
      Math.abs(q[32 * place + (i % 32)] * scale - value) <= scale * (0.5 + 2 ** -16),
      `element ${i}`,
    );
  });
  offsets.forEach((offset, g) => {
    const group = [...q.subarray(32 * g, 32 * g + 32)];
    assert.is(Math.max(...group.map(Math.abs)), 127);
    assert.is(
      offset,
      group.reduce((total, value) => total - 8 * value, 0),
    );
  });
});

spec('golden: halves round to even, zeros have scale 0, the rest of a group is zeros', () => {
  const x = Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, -2.5, -127);
  const { q, scales, offsets } = mirrorOf(x, 1, 8);
  assert.equal([...q], [127, 0, 2, 2, 0, -2, -2, -127, ...Array(24).fill(0)]);
  assert.equal([scales[0], offsets[0]], [1, 0]);
  assert.equal(mirrorOf(new Float32Array(32), 1, 32), {
    q: new Int8Array(32),
    scales: new Float32Array(1),
    offsets: new Int32Array(1),
  });
});

spec('golden: NaN and infinity make the scale that of the group, and its q zeros', () => {
  for (const special of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    const x = new Float32Array(64).fill(1);
    x[5] = special;
    const { q, scales } = mirrorOf(x, 1, 64);
    assert.ok(Object.is(scales[0], Math.abs(special)), String(special));
    assert.is(scales[1], Math.fround(1 / 127));
    assert.equal([...q], [...Array(32).fill(0), ...Array(32).fill(127)]);
  }
});

spec.run();
