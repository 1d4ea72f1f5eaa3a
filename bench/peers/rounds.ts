/** Contestants take turns: A B C A B C …, so that what disturbs the machine for a while disturbs
 *  all of them, and ratios are made round by round. */

import { type Summary, summarize } from '../support/statistics.ts';
import type { Contestant, Outcome, Round, Task } from './contest.ts';

/** Tokens per second of one contestant in every round. */
export interface Speed {
  readonly label: string;
  readonly prompt: Summary;
  readonly decode: Summary;
}

/** Says how far the bench is. */
export function progress(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

/** How many rounds, and until when. */
export interface Schedule {
  readonly rounds: number;
  /** On the clock of `performance`: no round begins later, but for the first three. */
  readonly deadlineMs?: number | undefined;
}

/** What is run, and how often. */
export interface Plan extends Schedule {
  readonly task: Task;
  /** A round before those that count. */
  readonly warmUp?: Task | undefined;
}

/** A median of fewer says little. */
const LEAST_ROUNDS = 3;

/** Runs the rounds.
 *  @param between what else is measured in every round
 *  @returns per name; the rounds of all names have the same numbers */
export async function takeTurns<Name extends string>(
  contestants: Readonly<Record<Name, Contestant>>,
  { task, rounds, warmUp, deadlineMs = Number.POSITIVE_INFINITY }: Plan,
  between: () => Promise<void> = async () => {},
): Promise<Record<Name, Speed>> {
  const names = Object.keys(contestants) as Name[];
  const times = new Map<Name, Round[]>(names.map((name) => [name, []]));
  if (warmUp !== undefined) for (const name of names) await contestants[name].round(warmUp);
  for (let round = 0; round < rounds; round++) {
    if (round >= LEAST_ROUNDS && performance.now() > deadlineMs) break;
    for (const name of names) {
      const time = await contestants[name].round(task);
      times.get(name)?.push(time);
      progress(`round ${round + 1} of ${rounds}, ${name}: ${showRound(time, task)}`);
    }
    await between();
  }
  const speeds = names.map((name) => {
    const list = times.get(name) ?? [];
    const { prompt, continuation } = task;
    return [
      name,
      {
        label: contestants[name].label,
        prompt: summarize(list.map(({ promptMs }) => (prompt.length * 1000) / promptMs)),
        decode: summarize(list.map(({ decodeMs }) => (continuation.length * 1000) / decodeMs)),
      },
    ];
  });
  return Object.fromEntries(speeds);
}

function showRound({ promptMs, decodeMs }: Outcome, { prompt, continuation }: Task): string {
  const speed = (count: number, ms: number) => ((count * 1000) / ms).toPrecision(3);
  return `${speed(prompt.length, promptMs)} and ${speed(continuation.length, decodeMs)} tokens/s`;
}

/** Ends contestants, whatever became of the others. */
export async function closeAll(contestants: readonly Contestant[]): Promise<void> {
  await Promise.allSettled(contestants.map((contestant) => contestant.close()));
}
