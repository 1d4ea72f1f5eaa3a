/** Processes of the bench: the memory, the compiler and the idle time of each are its own. */

import { type ChildProcess, fork } from 'node:child_process';
import type { Call, Reply } from './child.ts';
import type { Contestant, Outcome } from './contest.ts';

/** No answer takes longer, loading included. */
const LIMIT_MS = 3_600_000;

/** Calls a method of a child and waits for what it gives. */
export type CallChild = (method: string, argument?: unknown) => Promise<unknown>;

/** A child to start. */
export interface Program {
  /** The bundled script. */
  readonly file: string;
  /** The Node that runs it. */
  readonly execPath: string;
  /** A command with its arguments that is put before Node. */
  readonly wrapper?: readonly string[] | undefined;
}

/** Starts a process and loads its model.
 *  @param options what its `serveContestant` takes
 *  @throws Error when it ends early or answers with an error */
export async function startContestant(program: Program, options: unknown): Promise<Contestant> {
  const call = startProcess(program);
  return {
    label: String(await call('load', options)),
    round: async (task, wantsLogits = false) =>
      (await call('round', { task, wantsLogits })) as Outcome,
    close: async () => {
      await call('exit');
    },
  };
}

/** Starts a process that ends with this one, or when `exit` is called, which waits for the end. */
export function startProcess(program: Program): CallChild {
  const child = forkProgram(program);
  const ended = new Promise((resolve) => {
    child.once('exit', resolve);
  });
  return async (method, argument) => {
    const result = await callOnce(child, program.file, { method, argument });
    if (method === 'exit') await ended;
    return result;
  };
}

function forkProgram({ file, execPath, wrapper = [] }: Program): ChildProcess {
  const [command, ...args] = [...wrapper, execPath];
  // What a child prints is for people; stdout belongs to the result.
  const child = fork(file, [], {
    execPath: command,
    execArgv: args,
    stdio: ['ignore', process.stderr, process.stderr, 'ipc'],
  });
  const end = () => child.kill();
  process.once('exit', end);
  child.once('exit', () => process.off('exit', end));
  return child;
}

function callOnce(child: ChildProcess, file: string, call: Call): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | undefined, result?: unknown) => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit).off('error', settle);
      if (error === undefined) resolve(result);
      else reject(error);
    };
    const timer = setTimeout(() => settle(new Error(`${file}: no answer`)), LIMIT_MS);
    const onExit = (code: number | null, signal: string | null) =>
      settle(new Error(`${file} ended with ${signal ?? code}`));
    const onMessage = (reply: Reply) =>
      'error' in reply ? settle(new Error(reply.error)) : settle(undefined, reply.result);
    child.on('message', onMessage).on('exit', onExit).on('error', settle);
    child.send(call, (error) => error && settle(error));
  });
}
