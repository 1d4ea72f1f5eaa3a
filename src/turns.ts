/** Long work in the caller's thread: letting the event loop take its turns. */

/** Resolves after timers, input and abort signals have had their turn. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') setImmediate(resolve);
    else setTimeout(resolve, 0);
  });
}

/** Makes a function that takes a turn when the last one is `turnMs` ago. */
export function makeTurns(turnMs: number): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < turnMs) return;
    await macrotask();
    last = performance.now();
  };
}
