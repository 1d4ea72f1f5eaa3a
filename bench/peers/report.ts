/** Ratios out of speeds, what they shall be, and a table of both. */

import { ratioOf, type Summary, show, summarize } from '../support/statistics.ts';
import type { ChromiumResult } from './in-chromium.ts';
import type { NodeResult } from './in-node.ts';
import type { Limits, TokenCost } from './limits.ts';
import type { Speed } from './rounds.ts';

/** What was measured; parts that were not asked for are missing. */
export interface Measured {
  readonly node?: NodeResult;
  readonly chromium?: ChromiumResult;
  readonly embedded?: Speed;
}

/** By name, what it shall be at least. */
const GOALS: Readonly<Record<string, number>> = {
  decode_vs_native: 1,
  prefill_vs_native: 0.6,
  decode_vs_wllama: 5,
  prefill_vs_wllama: 10,
  threads_2_vs_1: 1.7,
  baseline_vs_relaxed: 0.5,
  embedded_tokens_per_second: 2000,
  decode_of_bandwidth: 0.8,
};

/** Every ratio that what was measured allows, round by round. */
export function ratios({ node, chromium, embedded }: Measured): Record<string, Summary> {
  const result: Record<string, Summary> = {};
  if (node !== undefined) {
    const { native, ours, oursTwoThreads, oursBaseline } = node.speeds;
    result.decode_vs_native = ratioOf(ours.decode.runs, native.decode.runs);
    result.prefill_vs_native = ratioOf(ours.prompt.runs, native.prompt.runs);
    result.threads_2_vs_1 = ratioOf(oursTwoThreads.prompt.runs, ours.prompt.runs);
    const prefill = ratioOf(oursBaseline.prompt.runs, ours.prompt.runs);
    const decode = ratioOf(oursBaseline.decode.runs, ours.decode.runs);
    result.baseline_vs_relaxed_prefill = prefill;
    result.baseline_vs_relaxed_decode = decode;
    result.baseline_vs_relaxed = prefill.median < decode.median ? prefill : decode;
  }
  if (chromium !== undefined) {
    const { ours, ...builds } = chromium.speeds;
    const peers = Object.values(builds);
    const fastest = (kind: 'prompt' | 'decode') =>
      ours[kind].runs.map((_, round) => Math.max(...peers.map((peer) => peer[kind].runs[round])));
    result.decode_vs_wllama = ratioOf(ours.decode.runs, fastest('decode'));
    result.prefill_vs_wllama = ratioOf(ours.prompt.runs, fastest('prompt'));
  }
  if (embedded !== undefined) result.embedded_tokens_per_second = embedded.decode;
  return result;
}

/** Of the limits, what we reach with one thread: round by round. */
export function shares(
  { speeds, limits }: NodeResult,
  cost: TokenCost,
  positions: number,
): Record<string, Summary> {
  const { ours, oursTwoThreads } = speeds;
  const bytes = cost.weightBytes + cost.cacheBytesPerPosition * positions;
  const scaled = (runs: readonly number[], factor: number) =>
    runs.map((value) => (value * factor) / 1e9);
  return {
    decode_of_bandwidth: ratioOf(
      scaled(ours.decode.runs, cost.weightBytes),
      limits.readOneThread.runs,
    ),
    decode_of_bandwidth_with_cache: ratioOf(
      scaled(ours.decode.runs, bytes),
      limits.readOneThread.runs,
    ),
    decode_two_threads_of_bandwidth: ratioOf(
      scaled(oursTwoThreads.decode.runs, cost.weightBytes),
      limits.readTwoThreads.runs,
    ),
    prefill_of_dots: ratioOf(scaled(ours.prompt.runs, cost.products), limits.relaxedDots.runs),
  };
}

/** Whether each goal is reached, by the median. */
export function goals(found: Readonly<Record<string, Summary>>) {
  const entries = Object.entries(GOALS)
    .filter(([name]) => found[name] !== undefined)
    .map(([name, goal]) => [name, { goal, reached: found[name].median >= goal }]);
  return Object.fromEntries(entries) as Record<string, { goal: number; reached: boolean }>;
}

/** The whole result for people. */
export function table(
  measured: Measured,
  share: Readonly<Record<string, Summary>> | undefined,
): string {
  const found = ratios(measured);
  const reached = goals(found);
  const lines = ['', 'tokens per second: median (quartiles)', ''];
  for (const speed of speedsOf(measured)) {
    lines.push(`  ${speed.label}`);
    lines.push(`    prompt ${show(speed.prompt)}    new ${show(speed.decode)}`);
  }
  lines.push('', 'ratios', '');
  for (const [name, summary] of Object.entries(found)) {
    const { goal, reached: isReached } = reached[name] ?? {};
    const verdict = goal === undefined ? '' : `goal ${goal}${isReached ? '' : '  MISSED'}`;
    lines.push(`  ${name.padEnd(30)} ${show(summary).padEnd(30)} ${verdict}`);
  }
  for (const [peer, value] of [
    ['native llama.cpp', measured.node?.correlation],
    ['wllama', measured.chromium?.correlation],
  ] as const) {
    if (value !== undefined) lines.push(`  logits correlate with ${peer}: ${value.toFixed(3)}`);
  }
  if (measured.node !== undefined) lines.push(...limitLines(measured.node.limits, share));
  return `${lines.join('\n')}\n`;
}

function speedsOf({ node, chromium, embedded }: Measured): Speed[] {
  return [
    ...Object.values(node?.speeds ?? {}),
    ...Object.values(chromium?.speeds ?? {}),
    ...(embedded === undefined ? [] : [embedded]),
  ];
}

function limitLines(
  { readOneThread, readTwoThreads, relaxedDots, baselineDots }: Limits,
  share: Readonly<Record<string, Summary>> = {},
): string[] {
  const judged = goals(share);
  const shareLines = Object.entries(share).map(([name, { median, quartiles }]) => {
    const percent = (value: number) => 100 * value;
    const quartersOf = [percent(quartiles[0]), percent(quartiles[1])] as const;
    const summary = { ...summarize([0]), median: percent(median), quartiles: quartersOf };
    const { goal, reached } = judged[name] ?? {};
    const verdict = goal === undefined ? '' : `goal ${percent(goal)} %${reached ? '' : '  MISSED'}`;
    return `  ${name.padEnd(36)} ${show(summary)} %  ${verdict}`;
  });
  return [
    ...['', 'limits of the machine, and our share', ''],
    `  reading, 1 thread    ${show(readOneThread)} GB/s`,
    `  reading, 2 threads   ${show(readTwoThreads)} GB/s`,
    `  relaxed dots         ${show(relaxedDots)} · 10⁹ products/s`,
    `  baseline dots        ${show(baselineDots)} · 10⁹ products/s`,
    ...shareLines,
  ];
}
