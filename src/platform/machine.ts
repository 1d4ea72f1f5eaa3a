/** What this machine has: threads, and memory where the runtime tells. */

import { isServerRuntime } from './threads.ts';

/** Threads that can run at once, at least 1. */
export async function availableThreads(): Promise<number> {
  if (!isServerRuntime()) return Math.max(1, globalThis.navigator?.hardwareConcurrency ?? 1);
  const { availableParallelism } = await import('node:os');
  return Math.max(1, availableParallelism());
}

/** Bytes that this process may still take, or undefined where that is not told. */
export async function availableMemoryBytes(): Promise<number | undefined> {
  if (!isServerRuntime()) return undefined;
  const os = await import('node:os');
  const free = typeof process.availableMemory === 'function' ? process.availableMemory() : 0;
  return free > 0 ? free : os.freemem();
}
