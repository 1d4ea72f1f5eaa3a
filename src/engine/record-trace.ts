/** Runs a prompt through an engine and hands on every activation as it is recorded. */

import { expectMatches, tapFilter } from '../verify/trace.ts';
import type { EngineState } from './engine.ts';
import { checkTokenIds, expectTaps } from './inputs.ts';
import type { TraceOptions } from './language-model.ts';
import { runsOf, type TraceSink } from './recorder.ts';
import { planTrace, tokensOfPass } from './trace-plan.ts';

/** One prefill, in chunks whose activations fit in memory.
 *  @throws option-value, token-id, prompt-empty, context-length, aborted, what the sink throws */
export async function recordTrace(
  { config, engine, contextLength }: EngineState,
  ids: readonly number[],
  sink: TraceSink,
  { taps = [], signal }: TraceOptions,
): Promise<void> {
  checkTokenIds(ids, config.vocabSize, 'input_ids', contextLength);
  expectTaps(taps);
  const plan = planTrace(config, ids.length);
  const names = plan.map(({ name }) => name);
  expectMatches(taps, names);
  const chunkTokens = tokensOfPass(plan, ids.length, tapFilter(taps));
  const sequence = engine.open();
  try {
    for (let position = 0; position < ids.length; ) {
      const chunk = ids.slice(position, position + Math.min(chunkTokens, engine.chunkTokens));
      const parts = [{ sequence, ids: chunk }];
      const { activations } = await engine.run(parts, { logits: 'all', signal, taps });
      for (const activation of activations) {
        for (const run of runsOf(activation, ids.length, position)) await sink(run);
      }
      position += chunk.length;
    }
  } finally {
    engine.close(sequence);
  }
}
