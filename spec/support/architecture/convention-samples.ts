/** The rules of conventions.ts, each with texts that break it and texts that only seem to. */

import * as conventions from './conventions.ts';
import type { RuleCase } from './samples.ts';

const FILE = 'src/model/sample.ts';
const OPENING = '/** What the file does. */\n';

/** Rules about how src/ is written. */
export const CONVENTIONS: RuleCase[] = [
  {
    name: 'nothing is cast twice',
    rule: conventions.doubleCasts,
    scope: 'src',
    bad: [
      [FILE, 'const y = x as unknown as Tensor;'],
      [FILE, 'const y = (x as unknown) as Tensor;'],
      [FILE, 'const y = <Tensor><unknown>x;'],
      [FILE, 'f((x as object) as Map<string, number>);'],
    ],
    good: [[FILE, `const y = f(x as Tensor) as number; const z = [1, 2] as const; import 'a';`]],
  },
  {
    name: 'every refusal is a BaichuanError',
    rule: conventions.ownErrors,
    scope: 'src',
    bad: [
      [FILE, `throw new Error('no');`],
      [FILE, `throw new TypeError('no');`],
      [FILE, `if (x) throw RangeError('no');`],
      [FILE, `reject(new globalThis.Error('no'));`],
      [FILE, `const error = new AggregateError([]);`],
      [FILE, `throw new NoSuchTensorError(name);`],
    ],
    good: [
      [FILE, `throw new BaichuanError('aborted', {}); throw unexpected(x); throw fieldError(x);`],
      ['src/errors.ts', `class BaichuanError extends Error {}; if (x instanceof Error) f(x);`],
    ],
  },
  {
    name: 'no bitwise operator works on an offset or a size',
    rule: conventions.bitwiseSizes,
    scope: 'src',
    bad: [
      [FILE, 'const aligned = (byteOffset + 7) & ~7;'],
      [FILE, 'const half = x.length >>> 1;'],
      [FILE, 'const whole = tensor.byteLength | 0;'],
      [FILE, 'size <<= 2;'],
      [FILE, 'const bits = mask ^ tokenCount;'],
      [FILE, 'const inverse = ~hiddenSize;'],
      [FILE, 'const flags = 1 & (2 * (offset - 1));'],
      [FILE, 'count |= 1;'],
    ],
    good: [
      [FILE, 'const bits = codePoint >> (6 * (length - 1)); const odd = bytes[offset] & 1;'],
      [
        FILE,
        'type Size = Offset | Length; const x = offset || size; const y = discount & 1; z >> SIZE;',
      ],
    ],
  },
  {
    name: 'an exported function has a docstring',
    rule: conventions.docstrings,
    scope: 'src',
    bad: [
      [FILE, `${OPENING}export function f() {}`],
      [FILE, `${OPENING}import './a.ts';\nexport function f() {}`],
      [FILE, `${OPENING}import './a.ts';\n// Not this.\nexport async function f() {}`],
      [FILE, `${OPENING}import './a.ts';\n/** @throws aborted */\nexport function f() {}`],
      [FILE, `${OPENING}const a = 1;\nexport const f = () => 0;`],
      [FILE, `${OPENING}const a = 1;\nexport function f(x: 1): 1;\nexport function f(x: 2) {}`],
    ],
    good: [
      [FILE, `${OPENING}\n/** Returns 0. */\nexport const f = () => 0;`],
      [FILE, `${OPENING}/** Does it. */\nexport function f(x: 1): 1;\nexport function f(x: 2) {}`],
      [FILE, `${OPENING}function f() {}\nexport const table = [];\nexport interface X {}`],
    ],
  },
  {
    name: 'values are camelCase or UPPER_CASE',
    rule: conventions.snakeCase,
    scope: 'src',
    bad: [
      [FILE, 'const hidden_size = 3;'],
      [FILE, 'let headDim_ = 3;'],
      [FILE, 'function f(top_k: number) {}'],
      [FILE, 'function apply_rope() {}'],
      [FILE, 'const { head_dim } = config;'],
      [FILE, 'const [{ a: head_dim }] = configs;'],
      [FILE, 'for (const token_id of ids) ;'],
      [FILE, 'ids.map((token_id) => token_id + 1);'],
      [FILE, 'class A { to_text() {} }'],
      [FILE, 'const Max_Size = 3;'],
      [FILE, 'function packQ8_0Rows() {}'],
    ],
    good: [
      [FILE, 'function packQ8_0() {}'],
      [FILE, `const MAX_2_SIZE = 1; const { top_k: topK } = x; f({ top_k: 5 }, (_, _id) => 0);`],
      [FILE, `const W = 'W_pack'; interface Json { top_k: number }`],
    ],
  },
];
