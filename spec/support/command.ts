/** Runs a command line in this process, with streams of its own. */

import { fileURLToPath } from 'node:url';
import { runCommandLine } from '../../src/cli/run.ts';
import type { CommandProcess } from '../../src/platform/command-line.ts';

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandInput {
  /** Bytes or text on stdin. */
  readonly stdin?: string | Uint8Array;
  readonly signal?: AbortSignal;
  /** Called with everything printed so far. */
  readonly onPrint?: (stdout: string) => void;
}

/** Runs `baichuan args…`. */
export async function runCommand(
  args: readonly string[],
  { stdin = '', signal, onPrint }: CommandInput = {},
): Promise<CommandResult> {
  let [stdout, stderr] = ['', ''];
  const bytes = typeof stdin === 'string' ? new TextEncoder().encode(stdin) : stdin;
  const self: CommandProcess = {
    isErrorTerminal: false,
    signal: signal ?? new AbortController().signal,
    print: async (text) => {
      stdout += text;
      onPrint?.(stdout);
    },
    printError: (text) => {
      stderr += text;
    },
    input: async function* () {
      // In pieces of 7 bytes, so that characters are split.
      for (let start = 0; start < bytes.length; start += 7) yield bytes.subarray(start, start + 7);
    },
  };
  const code = await runCommandLine(args, self);
  return { code, stdout, stderr };
}

/** The path of a golden model's folder. */
export function goldenPath(name: string): string {
  return fileURLToPath(new URL(`../../fixtures/goldens/${name}/`, import.meta.url));
}
