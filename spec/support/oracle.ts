/** Reference models of the golden checkpoints for the specs of the oracle, and traces that they or
 *  their mutants record. */

import { stagesOf } from '../../src/conform/judge-locally.ts';
import { checkpointModel, type ReferenceModel } from '../../src/conform/reference-model.ts';
import { type ReferenceSetup, runStage } from '../../src/conform/stage.ts';
import { openModel } from '../../src/engine/load.ts';
import { goldenPath } from './command.ts';
import type { Golden } from './goldens.ts';
import type { NamedTensors } from './traces.ts';

/** The model of a golden's folder, read stage by stage. */
export async function goldenModel({ name }: Golden): Promise<ReferenceModel> {
  const { config, checkpoint } = await openModel(goldenPath(name));
  return checkpointModel(config, checkpoint);
}

/** What a model records of a prompt, with a change made to every stage. */
export async function recordModel(
  model: ReferenceModel,
  ids: readonly number[],
  change: (setup: ReferenceSetup) => ReferenceSetup = (setup) => setup,
): Promise<NamedTensors> {
  const tensors: NamedTensors = new Map();
  tensors.set('input_ids', { shape: [ids.length], values: Float64Array.from(ids), dtype: 'I64' });
  let input: Float32Array | undefined;
  for (const stage of stagesOf(model.config.numHiddenLayers)) {
    const setup = change(await model.setup(stage, ids));
    input = runStage(setup, {
      stage,
      input,
      observe: (name, shape, computed) => {
        tensors.set(name, { shape: [...shape], values: Float32Array.from(computed) });
      },
    });
  }
  return tensors;
}
