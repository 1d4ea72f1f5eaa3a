/** Every example in the documentation is run: a `sh` block whose output follows in a `text` block
 *  must print just that, and a `js` block must print its own closing comments. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const docs = suite('documentation');
const ROOT = new URL('../', import.meta.url);
const ROOT_PATH = fileURLToPath(ROOT);

interface Block {
  readonly language: string;
  readonly code: string;
}

function blocksOf(file: string): Block[] {
  const text = readFileSync(new URL(file, ROOT), 'utf8');
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, code]) => {
    return { language, code };
  });
}

/** Standard output of a program started in the checkout. */
function outputOf(program: string, args: string[]): string {
  return execFileSync(program, args, {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

const blocks = new Map(['README.md', 'README.zh-CN.md'].map((file) => [file, blocksOf(file)]));

for (const [file, all] of blocks) {
  docs(`law: ${file} has no block that nobody runs`, () => {
    const languages = all.map(({ language }) => language);
    assert.equal(
      languages.filter((language) => !['sh', 'text', 'js'].includes(language)),
      [],
    );
    assert.ok(languages.includes('js') && languages.includes('sh'));
  });

  all.forEach(({ language, code }, index) => {
    const following = all[index + 1];
    const expected = following?.language === 'text' ? following.code : undefined;
    if (language === 'sh' && expected !== undefined) {
      // The commands of a checkout; installing is what the reader has done by then.
      const command = code.trim().replace('npm ci && npm start', 'npm start --silent');
      docs(`law: ${file}, block ${index + 1}, prints what it says: ${command.slice(0, 60)}`, () => {
        assert.is(outputOf('bash', ['-c', command]).trimEnd(), expected.trimEnd());
      });
    }
    if (language === 'js') {
      docs(`law: ${file}, block ${index + 1}, prints what its comments say`, () => {
        const printed = [...code.matchAll(/^\/\/ → (.*)$/gm)].map(([, line]) => line);
        assert.ok(printed.length > 0, 'the example shows no output');
        const output = outputOf(process.execPath, ['--input-type=module', '--eval', code]);
        assert.equal(output.trimEnd().split('\n'), printed);
      });
    }
  });
}

docs('law: every program type-checks as strict TypeScript', () => {
  const programs = new Map(
    [...blocks].flatMap(([file, all]) =>
      all
        .filter(({ language }) => language === 'js')
        .map(({ code }, index) => [path.join(ROOT_PATH, `${file}-${index}.ts`), code] as const),
    ),
  );
  const options: ts.CompilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
  };
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (name) => programs.has(name) || fileExists(name);
  host.readFile = (name) => programs.get(name) ?? readFile(name);
  const { getSourceFile } = host;
  host.getSourceFile = (name, version, ...rest) => {
    const code = programs.get(name);
    return code === undefined
      ? getSourceFile(name, version, ...rest)
      : ts.createSourceFile(name, code, version);
  };
  const program = ts.createProgram([...programs.keys()], options, host);
  const faults = ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    return `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
  assert.ok(programs.size >= 4);
  assert.equal(faults, []);
});

docs('law: both languages run the same commands and programs', () => {
  const [english, chinese] = [...blocks.values()].map((all) =>
    all
      .filter(({ language }) => language !== 'text')
      .map(({ language, code }) => {
        const comments = language === 'sh' ? /#.*$/gm : / *\/\/ (?!→).*$/gm;
        return code.replace(comments, '').replace(/\s+/g, ' ');
      }),
  );
  assert.equal(chinese, english);
});

docs.run();
