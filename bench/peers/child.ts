/** The other end of `process.ts`: answers calls over the channel to the parent, in order. */

import type { Contestant, Task } from './contest.ts';

/** A call by name with one argument. */
export interface Call {
  readonly method: string;
  readonly argument: unknown;
}

/** Every call is answered once. */
export type Reply = { readonly result: unknown } | { readonly error: string };

/** What can be called. Arguments come from the parent, whose code is of the same bundle. */
export type Methods = Readonly<Record<string, (argument: never) => unknown>>;

/** Answers until it is told to `exit`. */
export function serve(methods: Methods): void {
  // The parent is gone, or done with this process.
  process.once('disconnect', () => process.exit());
  process.on('message', async ({ method, argument }: Call) => {
    const answer = async () => methods[method]?.(argument as never);
    const reply: Reply = await answer().then(
      (result) => ({ result: result ?? null }),
      (error) => ({ error: String(error?.stack ?? error) }),
    );
    process.send?.(reply, () => {
      if (method === 'exit') process.disconnect();
    });
  });
}

/** Serves one contestant.
 *  @param load makes it from the argument of `load` */
export function serveContestant<Options>(load: (options: Options) => Promise<Contestant>): void {
  let contestant: Contestant | undefined;
  serve({
    load: async (options: Options) => {
      contestant = await load(options);
      return contestant.label;
    },
    round: ({ task, wantsLogits }: { task: Task; wantsLogits: boolean }) =>
      contestant?.round(task, wantsLogits),
    exit: () => contestant?.close(),
  });
}
