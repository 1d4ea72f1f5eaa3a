/** What the machine can do at most, from WebAssembly, in one thread: reading memory, and integer
 *  dot products in registers. */

import { summarize } from '../support/statistics.ts';
import { serve } from './child.ts';
import { limitsModule } from './limits-module.ts';

/** Far past every cache. */
const READ_BYTES = 512 * 2 ** 20;
const PAGE_BYTES = 65_536;
const DOT_STEPS = 4_000_000;

/** A rate in 10⁹ per second, the median of what was seen in a span of time. */
const rate = (amount: number, spanMs: number, run: () => unknown) => {
  run();
  const rates: number[] = [];
  for (const end = performance.now() + spanMs; performance.now() < end; ) {
    const start = performance.now();
    run();
    rates.push(amount / (performance.now() - start) / 1e6);
  }
  return summarize(rates).median;
};

interface Limits {
  readonly memory: WebAssembly.Memory;
  read(begin: number, end: number): number;
  dot(steps: number): number;
}

function instantiate(isRelaxed: boolean, pages: number): Limits {
  const { bytes } = limitsModule(isRelaxed, pages);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  return exports as unknown as Limits;
}

serve({
  /** Bytes read per nanosecond; every page is made real first. */
  bandwidth: (spanMs: number) => {
    const { memory, read } = instantiate(false, READ_BYTES / PAGE_BYTES);
    new Uint8Array(memory.buffer).fill(1);
    return rate(READ_BYTES, spanMs, () => read(0, READ_BYTES));
  },
  /** Multiplications with their addition per nanosecond. */
  dots: ({ isRelaxed, spanMs }: { isRelaxed: boolean; spanMs: number }) => {
    const { dotsPerStep } = limitsModule(isRelaxed, 1);
    const { dot } = instantiate(isRelaxed, 1);
    return rate(DOT_STEPS * dotsPerStep, spanMs, () => dot(DOT_STEPS));
  },
  exit: () => undefined,
});
