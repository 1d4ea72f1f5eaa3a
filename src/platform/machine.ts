/** What this machine has: threads, and memory where the runtime tells. */

import { isServerRuntime } from './threads.ts';

/** Not imported: a bundler for browsers would look for it. */
function system() {
  return process.getBuiltinModule('node:os');
}

/** Threads that can run at once, at least 1. */
export async function availableThreads(): Promise<number> {
  if (!isServerRuntime()) return Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1);
  return Math.max(1, system().availableParallelism());
}

/** Memory for this process, in bytes. */
export interface MachineMemory {
  /** What it can have at most, whatever the system gives up for it. */
  readonly mostBytes: number;
  /** What it can have as the system tells now; caches may be missing in it. */
  readonly freeBytes: number;
}

/** What the runtime tells of memory, in bytes. */
export interface MemoryFigures {
  readonly platform: string;
  readonly total: number;
  readonly free: number;
  /** Of the container: its limit, and what is left of it. 0, undefined or more than the machine
   *  has mean that there is no limit. */
  readonly constrained: number | undefined;
  readonly available: number | undefined;
}

/** The memory of this machine, or undefined where that is not told. */
export async function machineMemory(): Promise<MachineMemory | undefined> {
  if (!isServerRuntime()) return undefined;
  const os = system();
  return memoryOf({
    platform: os.platform(),
    total: os.totalmem(),
    free: os.freemem(),
    // Missing in Node before 20.13 and in older versions of Deno and Bun.
    constrained: process.constrainedMemory?.(),
    available: process.availableMemory?.(),
  });
}

/** Tells what is certain in the figures from what is not. What is free counts caches that are
 *  given up at once on Linux (MemAvailable) and Windows, but not on macOS, where only unused pages
 *  are free, nor in a container, whose caches count as used. */
export function memoryOf(figures: MemoryFigures): MachineMemory {
  const { platform, total, free, constrained = 0, available = free } = figures;
  const isContainer = constrained > 0 && constrained < total;
  const limit = isContainer ? constrained : total;
  const countsCaches = platform === 'linux' || platform === 'win32';
  const mostBytes = countsCaches ? Math.min(limit, free) : limit;
  return { mostBytes, freeBytes: Math.min(mostBytes, isContainer ? available : free) };
}
