/** The rules about single files, each with texts that break it and texts that only seem to. */

import {
  benchImports,
  importExtensions,
  importTable,
  literalImports,
  platformNames,
} from './imports.ts';
import * as language from './language.ts';
import * as sizes from './sizes.ts';
import type { Rule } from './source.ts';

/** `code`: src, spec, bench; `compiled`: these and assembly; `everything`: these and the scripts;
 *  `documented`: all of these but the specs, whose titles speak for themselves. */
export type Scope = 'src' | 'bench' | 'code' | 'compiled' | 'documented' | 'everything';

export interface RuleCase {
  name: string;
  rule: Rule;
  /** The files it is about. */
  scope: Scope;
  /** Texts that break the rule, with the path they stand at; one finding each. */
  bad: [path: string, text: string][];
  /** Texts that keep it and look as if they did not. */
  good: [path: string, text: string][];
}

const FILE = 'src/model/sample.ts';
const lines = (count: number, line = 'x;') => `${line}\n`.repeat(count);
const loops = (depth: number) => `${'for (;;) '.repeat(depth)};`;

/** Rules about single files; those of conventions.ts stand in convention-samples.ts. */
export const RULES: RuleCase[] = [
  {
    name: 'imports follow the table of folders',
    rule: importTable,
    scope: 'src',
    bad: [
      ['src/errors.ts', `import { exp } from './math/index.ts';`],
      ['src/math/exp.ts', `import { BaichuanError } from '../errors.ts';`],
      ['src/sniff.ts', `import { parseJson } from './json.ts';`],
      ['src/tensor/shape.ts', `import { matmul } from '../kernels/kernels.ts';`],
      ['src/layers/mlp.ts', `import { createWidener } from '../kernels/wasm/module.ts';`],
      ['src/layers/mlp.ts', `import type { Model } from '../model/baichuan.ts';`],
      ['src/model/baichuan.ts', `export * from '../formats/checkpoint.ts';`],
      ['src/formats/zip.ts', `import { openFile } from '../platform/node.ts';`],
      ['src/platform/node.ts', `import { load } from '../engine/load.ts';`],
      ['src/tokenizer/bpe.ts', `import type { Tensor } from '../tensor/tensor.ts';`],
      ['src/generate/sampler.ts', `const x = await import('../engine/open.ts');`],
      ['src/verify/compare.ts', `let x: import('../layers/mlp.ts').MlpWeights;`],
      ['src/cli/main.ts', `import { secret } from '../tensor/secret.ts';`],
      ['src/engine/open.ts', `import { main } from '../cli/main.ts';`],
      ['src/engine/open.ts', `import { z } from 'zod';`],
      ['src/layers/mlp.ts', `import { instantiate } from '@assemblyscript/loader';`],
      ['src/engine/open.ts', `import { goldens } from '../../spec/support/goldens.ts';`],
      ['src/helpers/any.ts', ''],
      ['src/various.ts', ''],
    ],
    good: [
      ['src/layers/mlp.ts', `import type { Kernels } from '../kernels/kernels.ts';`],
      ['src/platform/node.ts', `import { expectRange } from '../formats/byte-source.ts';`],
      ['src/platform/node.ts', `import { type ByteSource } from '../formats/byte-source.ts';`],
      ['src/kernels/wasm/pool.ts', `import type { Spawn } from '../../platform/node.ts';`],
      ['src/kernels/wasm/module.ts', `import { instantiate } from '@assemblyscript/loader';`],
      ['src/config-architecture.ts', `import { parseJson } from './json.ts';`],
      ['src/cli/main.ts', `import { open } from '../index.ts';`],
      ['src/cli/main.ts', `import { openFile } from '../platform/node.ts';`],
      ['src/engine/open.ts', `import { forward } from '../model/baichuan.ts';`],
    ],
  },
  {
    name: 'benches import the public surface and the kernels',
    rule: benchImports,
    scope: 'bench',
    bad: [['bench/a.bench.ts', `import { exp } from '../src/math/index.ts';`]],
    good: [
      ['bench/a.bench.ts', `import { open } from '../src/index.ts';`],
      ['bench/a.bench.ts', `import { f } from '../src/kernels/reference/widen.ts';`],
      ['bench/a.bench.ts', `import { planMemory } from '../src/engine/plan.ts';`],
    ],
  },
  {
    name: 'only the platform names a runtime',
    rule: platformNames,
    scope: 'src',
    bad: [
      [FILE, `import { readFileSync } from 'node:fs';`],
      ['src/cli/main.ts', `import { parseArgs } from 'node:util';`],
      [FILE, `const { readFile } = Deno;`],
      [FILE, `if (typeof Bun !== 'undefined') run();`],
      [FILE, `window.alert(1);`],
      [FILE, `const page = await fetch(url);`],
      [FILE, `globalThis.fetch(url);`],
      [FILE, `const all = process.env;`],
      [FILE, `globalThis['fetch'](url);`],
      [FILE, `const name = 'fet' + 'ch'; globalThis[name](url);`],
      [FILE, `const { ...all } = globalThis;`],
      [FILE, `const everything = globalThis;`],
      ['src/cli/main.ts', `globalThis['process'].exit();`],
    ],
    good: [
      ['src/platform/node.ts', `import 'node:fs'; fetch(url); Deno.args; process.exit();`],
      ['src/cli/main.ts', `process.exitCode = 1;`],
      [FILE, `globalThis.performance.now(); const text = 'globalThis';`],
      [FILE, `source.fetch(); const x = { window: 1 }; interface Y { fetch(): void }`],
      [FILE, `/** Unlike fetch or Deno. */ const text = 'window';`],
    ],
  },
  {
    name: 'what is imported stands there as text',
    rule: literalImports,
    scope: 'src',
    bad: [
      [FILE, `await import(name);`],
      [FILE, `await import(\`./\${name}.ts\`);`],
      [FILE, `await import('./' + 'a.ts');`],
      ['src/platform/node.ts', `await import(String('node:fs'));`],
    ],
    good: [[FILE, `await import('./a.ts'); let x: import('./a.ts').A; import './a.ts';`]],
  },
  {
    name: 'relative imports end in .ts',
    rule: importExtensions,
    scope: 'src',
    bad: [
      [FILE, `import { a } from './a';`],
      [FILE, `export { a } from './a.js';`],
      [FILE, `import type { A } from '../layers';`],
    ],
    good: [[FILE, `import { a } from './a.ts'; import { b } from '@assemblyscript/loader';`]],
  },
  {
    name: 'exports are named',
    rule: language.namedExports,
    scope: 'compiled',
    bad: [
      [FILE, 'export default function run() {}'],
      [FILE, 'export default 3;'],
      [FILE, 'const a = 1; export { a as default };'],
    ],
    good: [[FILE, 'export function run(x: number) { switch (x) { default: } }']],
  },
  {
    name: 'no file is longer than 300 lines',
    rule: sizes.fileLines,
    scope: 'everything',
    bad: [[FILE, lines(301)]],
    good: [[FILE, lines(300)]],
  },
  {
    name: 'no line is wider than 100 columns',
    rule: sizes.columns,
    scope: 'everything',
    bad: [[FILE, `// ${'x'.repeat(98)}`]],
    good: [[FILE, `// ${'海'.repeat(97)}`]],
  },
  {
    name: 'no function is longer than 50 lines, in kernels 120',
    rule: sizes.functionLines,
    scope: 'everything',
    bad: [
      [FILE, `function f() {\n${lines(49)}}`],
      [FILE, `const f = () => {\n${lines(49)}};`],
      [FILE, `class C { m() {\n${lines(49)}} }`],
      ['assembly/matmul.ts', `export function f(): void {\n${lines(119)}}`],
      ['src/kernels/reference/matmul.ts', `function f() {\n${lines(119)}}`],
      ['src/kernels/wasm/module.ts', `function f() {\n${lines(49)}}`],
    ],
    good: [
      [FILE, `/**\n${lines(9)}*/\nfunction f() {\n${lines(48)}}`],
      ['assembly/matmul.ts', `export function f(): void {\n${lines(118)}}`],
    ],
  },
  {
    name: 'no more than 3 loops are nested',
    rule: sizes.nestedLoops,
    scope: 'everything',
    bad: [
      [FILE, loops(4)],
      [FILE, 'for (const a of b) for (const c in d) while (1) do ; while (2);'],
    ],
    good: [
      [FILE, `${loops(3)}\n${loops(3)}`],
      ['src/kernels/reference/attention.ts', loops(5)],
    ],
  },
  {
    name: 'no function takes more than 5 parameters',
    rule: sizes.parameters,
    scope: 'everything',
    bad: [
      [FILE, 'function f(a, b, c, d, e, g) {}'],
      [FILE, 'const f = (a, b, c, d, e, g) => 0;'],
    ],
    good: [
      [FILE, 'function f(a, b, c, d, e) {}'],
      [
        'assembly/matmul.ts',
        'export function f(a: u32, b: u32, c: u32, d: u32, e: u32, g: u32) {}',
      ],
    ],
  },
  {
    name: 'nothing is any',
    rule: language.noAny,
    scope: 'code',
    bad: [
      [FILE, 'let x: any;'],
      [FILE, 'const x = y as any;'],
      [FILE, 'let x: Record<string, any>;'],
    ],
    good: [[FILE, 'let any: unknown; // any']],
  },
  {
    name: 'no check is suppressed',
    rule: language.noSuppression,
    scope: 'everything',
    bad: [
      [FILE, '// @ts-ignore\nx;'],
      [FILE, 'f(\n  // @ts-expect-error: later\n  x,\n);'],
      [FILE, '/* @ts-nocheck */'],
    ],
    good: [[FILE, `const text = '// @ts-ignore'; const other = \`\${x} // @ts-ignore\`;`]],
  },
  {
    name: 'syntax is erasable',
    rule: language.erasableSyntax,
    scope: 'code',
    bad: [
      [FILE, 'enum Dtype { F32 }'],
      [FILE, 'namespace Tensors {}'],
      [FILE, 'class A { constructor(readonly x: number) {} }'],
      [FILE, `import fs = require('fs');`],
      [FILE, '@sealed class A {}'],
    ],
    good: [[FILE, 'class A { readonly x = 1; constructor(x: number) {} }']],
  },
  {
    name: 'arithmetic is the same on every engine',
    rule: language.exactMath,
    scope: 'src',
    bad: [
      [FILE, 'Math.exp(x);'],
      [FILE, 'const { sin } = Math;'],
      [FILE, `Math['cos'](x);`],
      [FILE, 'Math.random();'],
      [FILE, 'xs.map(Math.log);'],
      [FILE, 'const y = x ** 2;'],
      [FILE, 'let y = 3; y **= 2;'],
      [FILE, 'const y = 10 ** 3;'],
    ],
    good: [[FILE, 'Math.sqrt(Math.fround(x)) * Math.PI + 2 ** 53 + 2 ** -24; pow(x, y);']],
  },
  {
    name: 'a TODO names its issue',
    rule: language.issueOfTodo,
    scope: 'everything',
    bad: [
      [FILE, '// TODO: later'],
      [FILE, 'x; /* FIXME */'],
    ],
    good: [[FILE, `// TODO(#12): later\nconst text = 'TODO';`]],
  },
  {
    name: 'a file opens with a comment',
    rule: language.openingComment,
    scope: 'documented',
    bad: [
      [FILE, `import { a } from './a.ts';\n/** Late. */`],
      [FILE, '// Short.'],
      [FILE, '/**\n */'],
    ],
    good: [
      [FILE, '/** What it does. */'],
      [FILE, '#!/usr/bin/env node\n/** What it does. */'],
    ],
  },
  {
    name: 'checkpoint names stand in model/weights.ts only',
    rule: language.checkpointNames,
    scope: 'src',
    bad: [
      [FILE, `const name = 'model.layers.0.self_attn';`],
      [FILE, `const name = \`model.layers.\${layer}.W_pack\`;`],
      [FILE, `const name = 'lm_head.weight';`],
      [FILE, `const name = \`\${prefix}.weight\`;`],
    ],
    good: [
      ['src/model/weights.ts', `const name = 'model.layers.0.self_attn.W_pack.weight';`],
      [FILE, `/** As self_attn.W_pack.weight. */ const text = 'a.weights';`],
    ],
  },
];
