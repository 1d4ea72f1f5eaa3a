/** Where files lie: the top level, specs beside their sources, kernels beside their mirrors. */

import ts from 'typescript';
import { importsOf, type Source } from './source.ts';

const TOP_LEVEL = new Set([
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'asconfig.json', 'biome.json'],
  ...['assembly', 'src', 'spec', 'fixtures', 'bench', 'node_modules', 'dist'],
  ...['LICENSE', 'CONTRIBUTING.md'],
]);

/** Folders of spec/ that mirror no folder of src/ file by file. */
const FREE_SPECS =
  /^spec\/(support|tooling|fuzz|shared|docs|cli|goldens)\/|^spec\/[\w-]+\.spec\.ts$/;

/** Names at the top level that do not belong there. */
export function strangersAtTop(names: string[]): string[] {
  return names.filter(
    (name) =>
      !TOP_LEVEL.has(name) && !name.startsWith('.') && !/^README(\.[\w-]+)?\.md$/.test(name),
  );
}

/** Files in src/ that are no TypeScript, or whose name or folder is not kebab-case.
 *  @param files every file in src/, whatever it is */
export function misnamedSources(files: string[]): string[] {
  const KEBAB = '[a-z0-9]+(-[a-z0-9]+)*';
  const name = new RegExp(`^src/(${KEBAB}/)*${KEBAB}(\\.generated)?\\.ts$`);
  return files.filter((file) => !name.test(file));
}

/** Files that are run by themselves, by another script than that of the specs. */
const OTHER_ENTRIES = ['spec/runtimes/bits.ts'];

/** Files in spec/ that are no specs and that no spec imports, by whatever way: nothing runs them.
 *  @param files every file in spec/, whatever it is @param sources those that may import */
export function strayInSpec(files: string[], sources: Source[]): string[] {
  const targets = new Map(sources.map((source) => [source.path, targetsOf(source)]));
  const reached = new Set(OTHER_ENTRIES);
  const queue = files.filter((file) => file.endsWith('.spec.ts'));
  for (const file of queue) {
    if (reached.has(file)) continue;
    reached.add(file);
    queue.push(...(targets.get(file) ?? []));
  }
  return files.filter((file) => !reached.has(file));
}

function targetsOf(source: Source): string[] {
  return importsOf(source).flatMap(({ target }) => target ?? []);
}

/** Specs without the source they are named after.
 *  @param specs paths of spec files @param sources paths in src/ */
export function orphanSpecs(specs: string[], sources: string[]): string[] {
  const modules = new Set<string>();
  for (const file of sources) {
    const stem = file.replace(/^src\//, '').replace(/\.ts$/, '');
    modules.add(stem);
    // A kernel and its mirror share the spec; a folder may have one spec for the whole.
    modules.add(stem.replace(/^kernels\/(reference|wasm)\//, 'kernels/'));
    modules.add(stem.replace(/\/[^/]+$/, ''));
  }
  return specs.filter((file) => {
    const stem = file.replace(/^spec\//, '').replace(/\.spec\.ts$/, '');
    return !FREE_SPECS.test(file) && !modules.has(stem);
  });
}

/** The files of assembly/ whose functions its entry point exports. */
export function exportedKernels(assembly: Source[]): Source[] {
  const entry = assembly.filter(({ path }) => path === 'assembly/index.ts');
  const exported = entry.flatMap(importsOf).filter(({ node }) => ts.isExportDeclaration(node));
  const paths = new Set(exported.map(({ target }) => `${target}.ts`));
  return assembly.filter(({ path }) => paths.has(path));
}

/** Memory that a kernel needs and its mirror makes itself. */
const SCRATCH = /^scratch(Stride)?$/;

/** Kernels that lack a mirror of the same name and parameters, or a spec.
 *  @param kernels files that `exportedKernels` gives @param mirrors files of kernels/reference/ */
export function unpairedKernels(kernels: Source[], mirrors: Source[], specs: string[]): string[] {
  return kernels.flatMap((kernel) => {
    const name = kernel.path.replace(/^assembly\//, '').replace(/\.ts$/, '');
    const mirror = mirrors.find(({ path }) => path === `src/kernels/reference/${name}.ts`);
    if (mirror === undefined) return [`${kernel.path}: has no mirror`];
    if (!specs.includes(`spec/kernels/${name}.spec.ts`)) return [`${kernel.path}: has no spec`];
    const found = exportedSignatures(mirror);
    return [...exportedSignatures(kernel)]
      .filter(([functionName, names]) => {
        const expected = names
          .map((parameter) => parameter.replace(/Ptr$/, ''))
          .filter((parameter) => !SCRATCH.test(parameter));
        return found.get(functionName)?.join() !== expected.join();
      })
      .map(([functionName]) => `${kernel.path}: ${functionName} differs from its mirror`);
  });
}

/** The parameter names of every exported function. */
function exportedSignatures({ tree }: Source): Map<string, string[]> {
  const signatures = new Map<string, string[]>();
  for (const statement of tree.statements) {
    if (!ts.isFunctionDeclaration(statement) || statement.name === undefined) continue;
    const isExported = statement.modifiers?.some(
      ({ kind }) => kind === ts.SyntaxKind.ExportKeyword,
    );
    if (!isExported) continue;
    // A parameter that only the kernel needs is marked as unused in the mirror.
    const names = statement.parameters.map(({ name }) => name.getText(tree).replace(/^_/, ''));
    signatures.set(statement.name.text, names);
  }
  return signatures;
}
