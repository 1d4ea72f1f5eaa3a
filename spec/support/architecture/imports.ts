/** Who may import whom: the table of folders, cycles, and what only the platform may name. */

import ts from 'typescript';
import {
  at,
  type Import,
  importsOf,
  nodeRule,
  type Rule,
  readSources,
  type Source,
  walk,
} from './source.ts';

/** What the files of an area may import besides their own area. */
interface Area {
  /** Areas, or single files, open to every import. */
  values: string[];
  /** Areas open to type-only imports. */
  types?: string[];
  /** Packages. */
  packages?: string[];
}

/** Files at the top of src/ that import next to nothing and serve everybody. */
const LEAVES = ['abort', 'errors', 'math', 'sniff', 'turns', 'utf-8'];
const BELOW_MODEL = [...LEAVES, 'tensor', 'config', 'src/kernels/kernels.ts'];
/** Files, streams and exit codes are reached through the platform, which alone may name them. */
const EDGE: Area = { values: ['index', 're-exported', 'platform'] };

/** The table of folders. A name is a folder of src/, or the first words of a file's name there. */
const AREAS: Record<string, Area> = {
  abort: { values: ['errors'] },
  errors: { values: [] },
  math: { values: [] },
  'utf-8': { values: [] },
  sniff: { values: ['errors'] },
  turns: { values: [] },
  json: { values: ['errors', 'utf-8'] },
  config: { values: [...LEAVES, 'json'] },
  tensor: { values: LEAVES },
  kernels: {
    values: [...LEAVES, 'tensor', 'quantize'],
    types: ['platform'],
    packages: ['@assemblyscript/loader'],
  },
  layers: { values: BELOW_MODEL },
  model: { values: [...BELOW_MODEL, 'layers'] },
  formats: { values: [...LEAVES, 'tensor', 'json'] },
  quantize: { values: [...LEAVES, 'tensor'] },
  tokenizer: { values: LEAVES },
  generate: { values: [...LEAVES, 'json', 'model', 'tokenizer'] },
  verify: { values: [...LEAVES, 'tensor'] },
  // A file is a `ByteSource`: the platform implements what formats read from.
  platform: { values: [...LEAVES, 'formats'] },
  engine: {
    values: [
      ...[...LEAVES, 'json', 'config', 'tensor', 'kernels', 'layers', 'model', 'formats'],
      ...['quantize', 'tokenizer', 'generate', 'verify', 'platform'],
    ],
  },
  // From any model that can be read to files: what is read, quantized and written.
  convert: {
    values: [
      ...[...LEAVES, 'config', 'tensor', 'kernels', 'model', 'formats', 'generate', 'tokenizer'],
      'engine',
    ],
  },
  // The oracle recomputes single operations on the published layers with the reference kernels, and
  // changes some of them to known bugs: it needs these parts, not the engine that joins them.
  conform: {
    values: [
      ...[...LEAVES, 'json', 'config', 'tensor', 'kernels', 'layers', 'model', 'formats'],
      'verify',
    ],
  },
  cli: EDGE,
  server: { ...EDGE, packages: ['hono', '@hono/node-server', 'valibot'] },
  train: EDGE,
  evaluate: { ...EDGE, packages: ['papaparse'] },
  web: { ...EDGE, packages: ['wasm-feature-detect'] },
  index: { values: ['any'] },
};

/** The area of a file in src/, by its folder or the first words of its name. */
export function areaOf(file: string): string | undefined {
  const [first = '', ...rest] = file.replace(/^src\//, '').split('/');
  if (rest.length > 0) return first in AREAS ? first : undefined;
  const stem = first.replace(/\.ts$/, '');
  const names = Object.keys(AREAS).filter((name) => stem === name || stem.startsWith(`${name}-`));
  return names.sort((a, b) => b.length - a.length)[0];
}

/** The imports of a file in src/ against the table.
 *  @param reExported the files that src/index.ts re-exports, open to the edges */
export function importRule(reExported: ReadonlySet<string>): Rule {
  return (source) => {
    const name = areaOf(source.path);
    if (name === undefined) return [`${source.path}:1: lies in no folder of the table`];
    const area = AREAS[name];
    return importsOf(source)
      .filter((entry) => !isAllowed(entry, name, area, reExported))
      .map((entry) => at(source, entry.node, `${name} may not import ${entry.specifier}`));
  };
}

/** The table with the edges open to what src/index.ts re-exports today. */
export const importTable: Rule = importRule(readReExports());

function readReExports(): Set<string> {
  const index = readSources('src').find(({ path }) => path === 'src/index.ts');
  return index === undefined ? new Set() : reExportedBy(index);
}

function isAllowed(
  { specifier, target, isType }: Import,
  name: string,
  area: Area,
  reExported: ReadonlySet<string>,
): boolean {
  if (target === undefined) {
    if (/^node:/.test(specifier)) return true; // judged by platformNames
    return (area.packages ?? []).includes(specifier);
  }
  const other = areaOf(target);
  if (other === undefined || !target.startsWith('src/')) return false;
  const open = isType ? [...area.values, ...(area.types ?? [])] : area.values;
  if (other === name || open.includes(other) || open.includes(target)) return true;
  if (open.includes('any')) return other !== 'cli';
  return open.includes('re-exported') && reExported.has(target);
}

/** The files that an index re-exports. */
export function reExportedBy(index: Source): Set<string> {
  const targets = importsOf(index).map((entry) => entry.target ?? '');
  return new Set(targets);
}

/** Relative imports in src/ end in .ts. */
export const importExtensions: Rule = (source) =>
  importsOf(source)
    .filter(({ target, specifier }) => target !== undefined && !specifier.endsWith('.ts'))
    .map(({ node, specifier }) => at(source, node, `${specifier} does not end in .ts`));

/** Imports a module that only the user's project has, so that its place is known at run time. */
const FOREIGN_MODULES = 'src/platform/node-llama-child.ts';

/** What is imported stands there as text, for the table, for bundlers and for readers. */
export const literalImports: Rule = (source) =>
  source.path === FOREIGN_MODULES ? [] : computedImports(source);

const computedImports: Rule = nodeRule((node) => {
  if (!ts.isCallExpression(node) || node.expression.kind !== ts.SyntaxKind.ImportKeyword) {
    return undefined;
  }
  const [specifier] = node.arguments;
  if (specifier !== undefined && ts.isStringLiteralLike(specifier)) return undefined;
  return `${node.getText()} is a computed import`;
});

/** Benches use the public surface and the kernels, and the engine, of which a profile is made in
 *  one thread. */
export const benchImports: Rule = (source) =>
  importsOf(source)
    .filter(({ target }) => target?.startsWith('src/'))
    .filter(({ target = '' }) => target !== 'src/index.ts')
    .filter(({ target = '' }) => !['kernels', 'engine'].includes(areaOf(target) ?? ''))
    .map(({ node, specifier }) => at(source, node, `a bench may not import ${specifier}`));

/** Cycles among the files, each as the list of its files. Type-only imports do not count: nothing
 *  of them is left at run time, and a context may speak of the parts that take it. */
export function findCycles(sources: Source[]): string[] {
  const graph = new Map(sources.map((source) => [source.path, valueTargets(source)]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, trail: string[]): void => {
    if (trail.includes(file)) {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(' → '));
      return;
    }
    if (done.has(file)) return;
    for (const target of graph.get(file) ?? []) visit(target, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return cycles;
}

function valueTargets(source: Source): string[] {
  const values = importsOf(source).filter(({ isType }) => !isType);
  return values.map(({ target }) => target ?? '');
}

const RUNTIME_NAMES = new Set(['Deno', 'Bun', 'window', 'fetch']);

/** Only src/platform/ names a runtime: node:*, Deno, Bun, window, fetch; and process, which the
 *  command line may name too. */
export const platformNames: Rule = (source) => {
  if (source.path.startsWith('src/platform/')) return [];
  const forbidden = new Set(RUNTIME_NAMES);
  if (!source.path.startsWith('src/cli/')) forbidden.add('process');
  const found = importsOf(source)
    .filter(({ specifier }) => specifier.startsWith('node:'))
    .map(({ node, specifier }) => at(source, node, `only src/platform/ may name ${specifier}`));
  walk(source.tree, (node) => {
    if (isGlobalValue(node)) found.push(at(source, node, 'globalThis may name a runtime unseen'));
    if (!ts.isIdentifier(node) || !forbidden.has(node.text) || isMemberName(node)) return;
    found.push(at(source, node, `only src/platform/ may name ${node.text}`));
  });
  return found;
};

/** Whether the global object is taken whole, or a member of it by a text: `globalThis['fetch']`. */
function isGlobalValue(node: ts.Node): boolean {
  if (!ts.isIdentifier(node) || node.text !== 'globalThis') return false;
  return !ts.isPropertyAccessExpression(node.parent) && !isMemberName(node);
}

/** Whether an identifier names a member of some object, other than of the global one. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) {
    return parent.expression.getText() !== 'globalThis';
  }
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isMethodDeclaration(parent)) &&
    parent.name === node
  );
}
