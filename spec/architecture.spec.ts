/** The house style, enforced: every rule over every file it is about, and over samples that break
 *  it and must be found. */

import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CONVENTIONS } from './support/architecture/convention-samples.ts';
import { areaOf, findCycles, importRule, reExportedBy } from './support/architecture/imports.ts';
import {
  exportedKernels,
  misnamedSources,
  orphanSpecs,
  strangersAtTop,
  strayInSpec,
  unpairedKernels,
} from './support/architecture/layout.ts';
import { RULES, type Scope } from './support/architecture/samples.ts';
import {
  commentsOf,
  importsOf,
  listFiles,
  parse,
  ROOT,
  readSources,
  type Source,
} from './support/architecture/source.ts';

const src = readSources('src');
const specs = readSources('spec');
const assembly = readSources('assembly');
const bench = readSources('bench');
const code = [...src, ...specs, ...bench];
const everything = [...code, ...assembly, ...readSources('.scripts')];

const index = src.find(({ path }) => path === 'src/index.ts') ?? parse('src/index.ts', '');

const SCOPES: Record<Scope, Source[]> = {
  src,
  bench,
  code,
  compiled: [...code, ...assembly],
  documented: everything.filter(({ path }) => !path.endsWith('.spec.ts')),
  everything,
};

const spec = suite('architecture');

for (const { name, rule, scope, bad, good } of [...RULES, ...CONVENTIONS]) {
  const files = SCOPES[scope];
  spec(`law: ${name}`, () => {
    assert.ok(files.length > 0, 'there are files to judge');
    assert.equal(files.flatMap(rule), []);
  });

  spec(`error: what breaks it is found: ${name}`, () => {
    for (const [path, text] of bad) {
      const found = rule(parse(path, text));
      assert.is(found.length, 1, `${path}: ${text} → ${JSON.stringify(found)}`);
      assert.match(found[0], new RegExp(`^${path}:\\d+: `));
    }
    for (const [path, text] of good) assert.equal(rule(parse(path, text)), [], text);
  });
}

spec('law: the edges may import what src/index.ts re-exports', () => {
  const sample = parse('src/index.ts', `export { createTensor } from './tensor/tensor.ts';`);
  const edge = parse('src/cli/main.ts', `import { createTensor } from '../tensor/tensor.ts';`);
  assert.equal(importRule(reExportedBy(sample))(edge), []);
  assert.is(importRule(new Set())(edge).length, 1);
});

spec('law: src/index.ts holds re-exports only', () => {
  const others = index.tree.statements.filter(
    (statement) => !/^export\b.* from /s.test(statement.getText()),
  );
  assert.equal(
    others.map((statement) => statement.getText()),
    [],
  );
});

spec('law: imports in src/ have no cycles at run time', () => {
  assert.equal(findCycles(src), []);
});

spec('error: a cycle of imports is found, whatever its length', () => {
  const file = (name: string, other: string) =>
    parse(`src/model/${name}.ts`, `import { x, type Y } from './${other}.ts';`);
  assert.equal(findCycles([file('a', 'a')]), ['src/model/a.ts → src/model/a.ts']);
  assert.is(findCycles([file('a', 'b'), file('b', 'c'), file('c', 'a')]).length, 1);
  assert.equal(findCycles([file('a', 'c'), file('b', 'c')]), []);
  const types = parse('src/model/b.ts', `import type { X } from './a.ts';`);
  assert.equal(findCycles([file('a', 'b'), types]), []);
});

spec('law: the top level holds what the house style lists', () => {
  assert.equal(strangersAtTop(readdirSync(ROOT)), []);
});

spec('error: a stranger at the top level is found', () => {
  const names = ['README.md', 'README.zh-CN.md', '.editorconfig', 'src', 'notes.md', 'scripts'];
  assert.equal(strangersAtTop(names), ['notes.md', 'scripts']);
});

const pathsOf = (sources: Source[]) => sources.map(({ path }) => path);
const specPaths = pathsOf(specs).filter((path) => path.endsWith('.spec.ts'));

spec('law: every spec mirrors a file of src/', () => {
  assert.equal(orphanSpecs(specPaths, pathsOf(src)), []);
});

spec('error: a spec without its source is found', () => {
  const sources = ['src/kernels/reference/widen.ts', 'src/layers/rope.ts', 'src/errors.ts'];
  const kept = ['spec/kernels/widen.spec.ts', 'spec/layers/rope.spec.ts', 'spec/errors.spec.ts'];
  const orphans = ['spec/layers/alibi.spec.ts', 'spec/rope/rope.spec.ts', 'spec/model/x.spec.ts'];
  assert.equal(orphanSpecs([...kept, ...orphans], sources), orphans);
});

spec('law: src/ holds TypeScript files with kebab-case names', () => {
  assert.equal(misnamedSources(listFiles('src')), []);
});

spec('error: another kind of file or name in src/ is found', () => {
  const kept = ['src/a.ts', 'src/utf-8.ts', 'src/math/exp32.ts', 'src/k/binary.generated.ts'];
  const bad = [
    ...['src/Tensor.ts', 'src/kvCache.ts', 'src/kv_cache.ts', 'src/-a.ts', 'src/a--b.ts'],
    ...['src/Layers/mlp.ts', 'src/notes.md', 'src/a.js', 'src/a.mts', 'src/a.d.ts', 'src/a.tsx'],
  ];
  assert.equal(misnamedSources([...kept, ...bad]), bad);
});

spec('law: every file in spec/ is a spec, or serves one', () => {
  assert.equal(strayInSpec(listFiles('spec'), specs), []);
});

spec('error: a file in spec/ that nothing runs is found', () => {
  const importing = (path: string, ...targets: string[]) =>
    parse(path, targets.map((target) => `import '${target}';`).join('\n'));
  const sources = [
    importing('spec/a.spec.ts', './support/one.ts', '../src/config.ts'),
    importing('spec/support/one.ts', './two.ts'),
    importing('spec/support/two.ts', './one.ts'),
    importing('spec/support/three.ts', './four.ts', './one.ts'),
    importing('spec/foo.test.ts', './support/four.ts'),
  ];
  const kept = ['spec/a.spec.ts', 'spec/runtimes/bits.ts', 'spec/support/one.ts'];
  const strays = ['spec/foo.test.ts', 'spec/support/three.ts', 'spec/support/four.ts'];
  const others = ['spec/notes.md', 'spec/b.spec.mts'];
  const files = [...kept, 'spec/support/two.ts', ...strays, ...others];
  assert.equal(strayInSpec(files, sources), [...strays, ...others]);
});

// What the entry point exports; the other files are inlined into these, or serve a tool.
const kernels = exportedKernels(assembly);
const mirrors = src.filter(({ path }) => path.startsWith('src/kernels/reference/'));

spec('law: every kernel has a mirror with its parameters, and a spec', () => {
  assert.ok(kernels.length > 0);
  assert.equal(unpairedKernels(kernels, mirrors, specPaths), []);
});

spec('law: a kernel is a file that the entry point exports from', () => {
  const entry = parse('assembly/index.ts', `export { a } from './a'; import { c } from './c';`);
  const files = ['a', 'b', 'c'].map((name) => parse(`assembly/${name}.ts`, ''));
  assert.equal(pathsOf(exportedKernels([entry, ...files])), ['assembly/a.ts']);
  assert.ok(pathsOf(kernels).includes('assembly/widen.ts'));
});

spec('error: a kernel that parts from its mirror is found', () => {
  const kernel = parse('assembly/widen.ts', 'export function widen(yPtr: usize, xPtr: usize) {}');
  const mirror = (text: string) => parse('src/kernels/reference/widen.ts', text);
  const same = mirror('export function widen(y: X, x: X) {}');
  const swapped = mirror('export function widen(x: X, y: X) {}');
  const renamed = mirror('export function widens(y: X, x: X) {}');
  const specsOfIt = ['spec/kernels/widen.spec.ts'];
  const text = 'export function widen(yPtr, xPtr, scratchPtr, scratchStride) {}';
  const scratch = parse(kernel.path, text);
  for (const good of [kernel, scratch]) {
    assert.equal(unpairedKernels([good], [same], specsOfIt), []);
  }
  assert.match(unpairedKernels([kernel], [], specsOfIt)[0], 'no mirror');
  assert.match(unpairedKernels([kernel], [same], [])[0], 'no spec');
  assert.match(unpairedKernels([kernel], [swapped], specsOfIt)[0], 'differs');
  assert.match(unpairedKernels([kernel], [renamed], specsOfIt)[0], 'differs');
});

spec('law: files are found where the rules look for them', () => {
  for (const folder of ['src/errors.ts', 'assembly/index.ts', '.scripts/test.mjs']) {
    assert.ok(pathsOf(everything).includes(folder), folder);
  }
  assert.is(areaOf('src/kernels/wasm/module.ts'), 'kernels');
  assert.is(areaOf('src/utf-8.ts'), 'utf-8');
  assert.is(areaOf('src/json-fields.ts'), 'json');
  assert.is(areaOf('src/jsonish.ts'), undefined);
});

spec('law: imports and comments are seen in all their forms', () => {
  const text = [
    `import a, { b } from './a.ts';`,
    `import type { C } from './c.ts';`,
    `import { type D, e } from './d.ts';`,
    `import './f.ts';`,
    `export type { G } from './g.ts'; // one`,
    `const h = (/* two */) => import('./h.ts');`,
    `let i: import('./i.ts').I; const text = '// none';`,
  ].join('\n');
  const source = parse('src/model/sample.ts', text);
  const found = importsOf(source).map(({ target, isType }) => `${target} ${isType}`);
  const folder = 'src/model';
  assert.equal(found, [
    ...[`${folder}/a.ts false`, `${folder}/c.ts true`, `${folder}/d.ts false`],
    ...[`${folder}/f.ts false`, `${folder}/g.ts true`, `${folder}/h.ts false`],
    `${folder}/i.ts true`,
  ]);
  assert.equal(
    commentsOf(source).map((comment) => comment.text),
    ['// one', '/* two */'],
  );
});

spec.run();
