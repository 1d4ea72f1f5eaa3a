/** Reference models of the golden checkpoints for the specs of the oracle, and traces that they or
 *  their mutants record. */

import { readFileSync } from 'node:fs';
import { parseConfig } from '../../src/config.ts';
import type { ModelToCompare } from '../../src/conform/compare-backends.ts';
import { stagesOf } from '../../src/conform/judge-locally.ts';
import { checkpointModel, type ReferenceModel } from '../../src/conform/reference-model.ts';
import { type ReferenceSetup, runStage } from '../../src/conform/stage.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { openSafetensors } from '../../src/formats/safetensors.ts';
import { goldenPath } from './command.ts';
import type { Golden } from './goldens.ts';
import type { NamedTensors } from './traces.ts';

/** A golden's configuration and weights, in memory. */
export async function goldenToCompare({ name }: Pick<Golden, 'name'>): Promise<ModelToCompare> {
  const file = (leaf: string) => new Uint8Array(readFileSync(`${goldenPath(name)}${leaf}`));
  const config = parseConfig(file('config.json'), { file: 'config.json' });
  const source = bufferSource(name, file('model.safetensors'));
  return { config, checkpoint: await openSafetensors(source) };
}

/** The model of a golden, stage by stage. */
export async function goldenModel(golden: Golden): Promise<ReferenceModel> {
  const { config, checkpoint } = await goldenToCompare(golden);
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
