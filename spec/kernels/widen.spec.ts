/** Widening of 16-bit floats: the kernel, its mirror, and the block-wise widener of the loader. */

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BaichuanError } from '../../src/errors.ts';
import * as reference from '../../src/kernels/reference/widen.ts';
import { createWidener, type SixteenBitDtype } from '../../src/kernels/wasm/module.ts';
import { createKernelBuilds } from '../support/kernel-builds.ts';

type Mirror = (y: Float32Array, x: Uint16Array, count: number) => void;
type Kernel = (yPtr: number, xPtr: number, count: number) => void;
type RangeMirror = (y: Float32Array, x: Uint16Array, start: number, end: number) => void;
type RangeKernel = (yPtr: number, xPtr: number, start: number, end: number) => void;

const DTYPES: SixteenBitDtype[] = ['BF16', 'F16'];
const MIRRORS: Record<SixteenBitDtype, Mirror> = {
  BF16: reference.widenBf16,
  F16: reference.widenF16,
};
const RANGE_MIRRORS: Record<SixteenBitDtype, RangeMirror> = {
  BF16: reference.widenBf16Range,
  F16: reference.widenF16Range,
};
const ALL_PATTERNS = Uint16Array.from({ length: 65_536 }, (_, pattern) => pattern);

/** No widened 16-bit float has this pattern in its low bits. */
const UNTOUCHED = 0x5a5a5a5a;

const debugBinary = readFileSync(new URL('../../dist/wasm/kernels.debug.wasm', import.meta.url));

const spec = suite('widen');

/** The bits of float32 numbers, NaN payloads included. */
function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function mirrorOf(dtype: SixteenBitDtype, x: Uint16Array): Uint32Array {
  const y = new Float32Array(x.length);
  MIRRORS[dtype](y, x, x.length);
  return bitsOf(y);
}

function widenOne(dtype: SixteenBitDtype, pattern: number): number {
  const y = new Float32Array(1);
  MIRRORS[dtype](y, Uint16Array.of(pattern), 1);
  return y[0];
}

for (const { name: build, memory, kernels } of createKernelBuilds(8)) {
  const kernelOf: Record<SixteenBitDtype, Kernel> = {
    BF16: kernels.widenBf16,
    F16: kernels.widenF16,
  };

  const rangeOf: Record<SixteenBitDtype, RangeKernel> = {
    BF16: kernels.widenBf16Range,
    F16: kernels.widenF16Range,
  };

  for (const dtype of DTYPES) {
    spec(`pair: ${build} ${dtype} in any range writes just that range, as its mirror does`, () => {
      const [xPtr, yPtr, count] = [65_536, 131_072, 37];
      const x = Uint16Array.from({ length: count }, (_, i) => (i * 7919 + 3) % 65_536);
      new Uint16Array(memory.buffer, xPtr, count).set(x);
      for (let start = 0; start <= count; start += 3) {
        for (let end = start; end <= count; end += 5) {
          const found = new Uint32Array(memory.buffer, yPtr, count).fill(7);
          rangeOf[dtype](yPtr, xPtr, start, end);
          const expected = new Float32Array(new Uint32Array(count).fill(7).buffer);
          RANGE_MIRRORS[dtype](expected, x, start, end);
          assert.equal(found, bitsOf(expected), `${start} … ${end}`);
        }
      }
    });

    spec(`pair: ${build} ${dtype} agrees bit for bit on all 65,536 patterns`, () => {
      const xPtr = 65_536;
      const yPtr = xPtr + 131_072;
      new Uint16Array(memory.buffer, xPtr, 65_536).set(ALL_PATTERNS);
      kernelOf[dtype](yPtr, xPtr, 65_536);
      assert.equal(new Uint32Array(memory.buffer, yPtr, 65_536), mirrorOf(dtype, ALL_PATTERNS));
    });

    spec(`pair: ${build} ${dtype} agrees at every length 0 to 40 and alignment`, () => {
      for (let count = 0; count <= 40; count += 1) {
        for (let shift = 0; shift < 16; shift += 4) {
          // The patterns of every second length are large: infinities, NaNs, both signs.
          const first = count % 2 === 0 ? 0x03f0 : 0x7be0 + 0x8000 * (shift % 8 ? 1 : 0);
          const x = ALL_PATTERNS.subarray(first, first + count);
          const xPtr = 65_536 + shift;
          const yPtr = 66_000 + 4 * count - shift - ((4 * count - shift) % 4);
          const around = new Uint32Array(memory.buffer, yPtr - 4, count + 2).fill(UNTOUCHED);
          new Uint16Array(memory.buffer, xPtr, count).set(x);
          kernelOf[dtype](yPtr, xPtr, count);
          assert.equal(around.slice(1, -1), mirrorOf(dtype, x), `count ${count} shift ${shift}`);
          assert.is(around[0], UNTOUCHED, 'before y');
          assert.is(around[count + 1], UNTOUCHED, 'after y');
        }
      }
    });

    spec(`pair: ${build} ${dtype} reads no byte past the end of the memory`, () => {
      const x = ALL_PATTERNS.subarray(0x3c00, 0x3c00 + 13);
      const xPtr = memory.buffer.byteLength - 26;
      new Uint8Array(memory.buffer, xPtr).set(new Uint8Array(x.buffer, x.byteOffset, 26));
      kernelOf[dtype](65_536, xPtr, 13);
      assert.equal(new Uint32Array(memory.buffer, 65_536, 13), mirrorOf(dtype, x));
    });
  }
}

spec('golden: binary16 has the values of IEEE 754', () => {
  const cases: [pattern: number, value: number][] = [
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x8001, -(2 ** -24)],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0x3c01, 1 + 2 ** -10],
    [0xc000, -2],
    [0x7bff, 65504],
    [0xfbff, -65504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
    [0x7c01, Number.NaN],
  ];
  for (const [pattern, value] of cases) assert.ok(Object.is(widenOne('F16', pattern), value));
});

spec('golden: bfloat16 is the upper half of a float32', () => {
  const view = new DataView(new ArrayBuffer(4));
  for (const value of [1, -2.5, 2 ** -133, 3.3895313892515355e38, -0, Number.NaN, -1 / 0]) {
    view.setFloat32(0, value);
    assert.ok(Object.is(widenOne('BF16', view.getUint16(0)), value), String(value));
  }
});

spec('law: greater magnitude patterns widen to greater numbers, up to infinity', () => {
  for (const [dtype, infinity] of [
    ['BF16', 0x7f80],
    ['F16', 0x7c00],
  ] as const) {
    const y = new Float32Array(infinity + 1);
    MIRRORS[dtype](y, ALL_PATTERNS, infinity + 1);
    for (let i = 1; i <= infinity; i += 1) assert.ok(y[i] > y[i - 1], `${dtype} ${i}`);
    assert.is(y[infinity], Number.POSITIVE_INFINITY);
  }
});

spec('law: the sign bit negates, whatever the rest', () => {
  for (const dtype of DTYPES) {
    const bits = mirrorOf(dtype, ALL_PATTERNS);
    for (let i = 0; i < 32_768; i += 1) {
      assert.is(bits[i + 32_768], bits[i] + 0x80000000, `${dtype} ${i}`);
    }
  }
});

spec('law: NaN patterns stay NaN, with their fraction', () => {
  for (const [dtype, infinity, shift] of [
    ['BF16', 0x7f80, 16],
    ['F16', 0x7c00, 13],
  ] as const) {
    const bits = mirrorOf(dtype, ALL_PATTERNS);
    for (let i = infinity + 1; i < 32_768; i += 1) {
      assert.is(bits[i], 0x7f800000 + (i - infinity) * 2 ** shift, `${dtype} ${i}`);
    }
  }
});

spec('pair: the widener agrees over blocks, at odd byte addresses and any target offset', () => {
  const widener = createWidener();
  for (const dtype of DTYPES) {
    for (const count of [0, 1, 7, 32_767, 32_768, 32_769, 98_311]) {
      const x = Uint16Array.from({ length: count }, (_, i) => (i * 40_503) % 65_536);
      const bytes = new Uint8Array(2 * count + 1);
      bytes.set(new Uint8Array(x.buffer), 1);
      const target = new Float32Array(count + 5);
      bitsOf(target).fill(UNTOUCHED);
      widener.widen(dtype, bytes.subarray(1), target, 3);
      assert.equal(bitsOf(target.subarray(3, 3 + count)), mirrorOf(dtype, x), `${dtype} ${count}`);
      const margins = [...bitsOf(target.subarray(0, 3)), ...bitsOf(target.subarray(3 + count))];
      assert.equal(margins, Array(5).fill(UNTOUCHED));
    }
  }
});

spec('law: the dtype decides how bytes are read', () => {
  const widener = createWidener(debugBinary);
  const target = new Float32Array(2);
  widener.widen('BF16', Uint8Array.of(0x00, 0x3c), target, 0);
  widener.widen('F16', Uint8Array.of(0x00, 0x3c), target, 1);
  assert.equal([...target], [0.0078125, 1]);
});

spec('error: bytes that do not fit are refused with the place and the remedy', () => {
  const widener = createWidener();
  const cases: [byteCount: number, length: number, offset: number, where: string][] = [
    [3, 9, 0, 'bytes'],
    [6, 2, 0, 'targetOffset'],
    [6, 5, 3, 'targetOffset'],
    [6, 5, -1, 'targetOffset'],
    [6, 5, 0.5, 'targetOffset'],
    [6, 5, Number.NaN, 'targetOffset'],
  ];
  for (const [byteCount, length, offset, where] of cases) {
    const target = new Float32Array(length);
    const call = () => widener.widen('F16', new Uint8Array(byteCount), target, offset);
    assert.throws(call, (error: unknown) => {
      assert.instance(error, BaichuanError);
      const { code, where: place, fix } = error as BaichuanError;
      assert.is(code, 'shape-mismatch');
      assert.is(place, where);
      assert.match(fix, /^Pass /);
      return true;
    });
    assert.equal([...target], Array(length).fill(0));
  }
});

spec.run();
