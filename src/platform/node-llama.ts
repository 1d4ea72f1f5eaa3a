/** Native llama.cpp through `node-llama-cpp`, where the user's project has it, in a process of its
 *  own: it may crash or hang without taking this one with it. */

import { type ChildProcess, fork } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { BaichuanError, quote } from '../errors.ts';
import type { LlamaAnswer, LlamaRequest, LlamaRow } from './node-llama-protocol.ts';

export interface LlamaOptions {
  readonly modelPath: string;
  readonly contextLength: number;
  readonly threads?: number | undefined;
  /** For one request. */
  readonly timeoutMs: number;
  /** The folder of the project that has node-llama-cpp; the present one by default. */
  readonly project?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A model in native llama.cpp. */
export interface Llama {
  readonly name: string;
  /** @throws backend-failed, backend-timeout, aborted */
  encode(text: string): Promise<readonly number[]>;
  /** Scores after each position of a prefill. @throws backend-failed, backend-timeout, aborted */
  next(ids: readonly number[], positions: readonly number[]): Promise<readonly LlamaRow[]>;
  close(): Promise<void>;
}

const PACKAGE = 'node-llama-cpp';

/** Finds node-llama-cpp, starts it and loads the model.
 *  @throws backend-missing, backend-failed, backend-timeout, aborted */
export async function openLlama(options: LlamaOptions): Promise<Llama> {
  const module = locate(options.project ?? '.');
  const self = import.meta.url;
  const entry = new URL(`./node-llama-child.${self.endsWith('.ts') ? 'ts' : 'js'}`, self);
  // JSON would make null of NaN, and a number of null.
  const child = fork(fileURLToPath(entry), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const ask = askChild(child, options);
  try {
    const { modelPath, contextLength, threads = 1 } = options;
    const place = { module, modelPath: resolve(modelPath), contextLength, threads };
    const loaded = await ask({ kind: 'load', ...place });
    return {
      name: loaded.kind === 'loaded' ? loaded.name : PACKAGE,
      async encode(text) {
        const answer = await ask({ kind: 'encode', text });
        return answer.kind === 'ids' ? answer.ids : [];
      },
      async next(ids, positions) {
        const answer = await ask({ kind: 'next', ids, positions });
        return answer.kind === 'rows' ? answer.rows : [];
      },
      close: async () => end(child),
    };
  } catch (error) {
    end(child);
    throw error;
  }
}

function end(child: ChildProcess): void {
  child.removeAllListeners();
  child.kill('SIGKILL');
}

/** The URL of the module, as the project would import it. @throws backend-missing */
function locate(project: string): string {
  try {
    // Looked up here first: Bun would fetch a missing package from its registry.
    if (!isInstalled(resolve(project))) throw missing(project);
    const require = createRequire(pathToFileURL(resolve(project, 'index.js')));
    return pathToFileURL(require.resolve(PACKAGE)).href;
  } catch (cause) {
    throw cause instanceof BaichuanError ? cause : missing(project, cause);
  }
}

/** Whether a folder, or one that it lies in, has the package. */
function isInstalled(folder: string): boolean {
  if (existsSync(join(folder, 'node_modules', PACKAGE, 'package.json'))) return true;
  const parent = dirname(folder);
  return parent !== folder && isInstalled(parent);
}

function missing(project: string, cause?: unknown): BaichuanError {
  return new BaichuanError('backend-missing', {
    where: PACKAGE,
    what: `The project in ${quote(resolve(project))} has no ${PACKAGE}.`,
    fix: `Install it there (npm i ${PACKAGE}), or name the project with --project PATH.`,
    cause,
  });
}

type Question = LlamaRequest extends infer R
  ? R extends LlamaRequest
    ? Omit<R, 'id'>
    : never
  : never;

/** One request after the other; the end of the process answers the one that waits. */
function askChild(child: ChildProcess, { timeoutMs, signal }: LlamaOptions) {
  let [count, said] = [0, ''];
  child.stderr?.on('data', (bytes: Buffer) => {
    said = `${said}${bytes}`.slice(-2000);
  });
  return (question: Question): Promise<LlamaAnswer> =>
    new Promise((resolveAnswer, reject) => {
      const id = ++count;
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        child.off('message', hear);
        child.off('exit', exited);
        child.off('error', exited);
        signal?.removeEventListener('abort', stop);
        settle();
      };
      const fail = (error: BaichuanError) => finish(() => reject(error));
      const hear = (answer: LlamaAnswer) => {
        if (answer.id !== id) return;
        if (answer.kind === 'error') fail(failed(question.kind, answer.message));
        else finish(() => resolveAnswer(answer));
      };
      const exited = (reason: unknown, by?: unknown) =>
        fail(failed(question.kind, `the process ended (${by ?? reason}) ${said.trim()}`));
      const stop = () => fail(interrupted());
      const timer = setTimeout(() => fail(late(question.kind, timeoutMs)), timeoutMs);
      child.on('message', hear);
      child.once('exit', exited);
      child.once('error', exited);
      signal?.addEventListener('abort', stop);
      if (signal?.aborted === true) stop();
      else child.send({ id, ...question }, (error) => error !== null && exited(error.message));
    });
}

function failed(action: string, reason: string): BaichuanError {
  return new BaichuanError('backend-failed', {
    where: `${PACKAGE}, ${action}`,
    what: `It failed: ${quote(reason)}.`,
    fix: 'Try the file in llama.cpp itself; it may not read it, or lack memory.',
  });
}

function late(action: string, timeoutMs: number): BaichuanError {
  return new BaichuanError('backend-timeout', {
    where: `${PACKAGE}, ${action}`,
    what: `There was no answer within ${timeoutMs / 1000} s.`,
    fix: 'Give it longer with --timeout, or ask less with --max-length.',
  });
}

function interrupted(): BaichuanError {
  const what = 'The run was interrupted.';
  return new BaichuanError('aborted', { where: PACKAGE, what, fix: 'Run it again.' });
}
