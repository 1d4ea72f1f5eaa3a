/** A small project in a temporary folder with this project's own tooling, to build and to break. */

import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const ROOT = path.resolve(import.meta.dirname, '../..');
const COPIED = [
  ...['.scripts', 'assembly', 'asconfig.json', 'tsconfig.json'],
  ...['package.json', 'package-lock.json'],
];

export interface Project {
  /** The absolute path of a file of the project. */
  at(file: string): string;
  write(file: string, text: string): void;
  /** Runs one of the scripts to its end. */
  run(script: string, args?: string[], input?: string): SpawnSyncReturns<string>;
  /** Starts a script; resolves with its exit code. */
  start(script: string): { kill: () => void; ended: Promise<number | null> };
  remove(): void;
}

/** Copies the tooling and the kernels; `src/` holds the given files only. */
export function createProject(files: Record<string, string>): Project {
  const root = mkdtempSync(path.join(tmpdir(), 'project-'));
  const at = (file: string) => path.join(root, file);
  const write = (file: string, text: string) => {
    mkdirSync(path.dirname(at(file)), { recursive: true });
    writeFileSync(at(file), text);
  };
  for (const name of COPIED) cpSync(path.join(ROOT, name), at(name), { recursive: true });
  symlinkSync(path.join(ROOT, 'node_modules'), at('node_modules'));
  for (const [file, text] of Object.entries(files)) write(file, text);

  return {
    at,
    write,
    run: (script, args = [], input = '') =>
      spawnSync(process.execPath, [at(`.scripts/${script}`), ...args], { encoding: 'utf8', input }),
    start: (script) => {
      const child = spawn(process.execPath, [at(`.scripts/${script}`)], { stdio: 'ignore' });
      const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
      return { kill: () => child.kill('SIGKILL'), ended };
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
