/** `baichuan inspect`: what a model is, without reading its weights. */

import {
  type BaichuanConfig,
  BaichuanError,
  CONFIG_PRESETS,
  checkEngineOptions,
  countParameters,
  type MemoryPlan,
  openModel,
  parameterShapes,
  planMemory,
  quote,
  withOptionsOfFile,
} from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { type Command, JSON_OPTION, MODEL_OPTION, modelSource, openOptions } from './command.ts';
import {
  CACHE_OPTION,
  CONTEXT_OPTION,
  computeOptions,
  contextLengthOf,
  KERNELS_OPTION,
  QUANTIZE_OPTION,
} from './compute.ts';
import { type Arguments, expectNoWords } from './options.ts';

const PRESETS = Object.keys(CONFIG_PRESETS).join(' | ');

export const inspectCommand: Command = {
  name: 'inspect',
  summary: 'show configuration, parameter count, tensors and memory of a model',
  usage: 'baichuan inspect [-m PATH | --preset NAME] [options]',
  examples: ['baichuan inspect', 'baichuan inspect --preset baichuan-13b -c 4096'],
  options: [
    MODEL_OPTION,
    { name: 'preset', value: 'NAME', help: `a published size instead of files: ${PRESETS}` },
    CONTEXT_OPTION,
    QUANTIZE_OPTION,
    CACHE_OPTION,
    KERNELS_OPTION,
    JSON_OPTION,
  ],
  run: runInspect,
};

interface Inspected {
  readonly name: string;
  readonly config: BaichuanConfig;
  readonly tensors: readonly InspectedTensor[];
  readonly tokenizer: boolean;
}

interface InspectedTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly file: string;
}

async function runInspect(args: Arguments, self: CommandProcess): Promise<number> {
  expectNoWords(args, 'Give the model with --model PATH.');
  const positions = contextLengthOf(args);
  const inspected = await inspectedModel(args, self);

  const { name, config, tensors, tokenizer } = inspected;
  const { notices: _notices, ...settings } = config;
  const parameters = countParameters(config);
  const types = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const storedAs = (tensor: string) => types.get(tensor) ?? { dtype: 'F32' };
  const computed = computeOptions(args);
  checkEngineOptions(computed);
  const implied = withOptionsOfFile(computed, config, (tensor) => storedAs(tensor).dtype);
  const options = { ...implied, contextLength: positions, storedAs };
  const memory = planMemory(config, options);
  if (args.has('json')) {
    const value = {
      name,
      config: settings,
      parameters,
      tensors,
      tokenizer,
      memory: jsonPlan(memory),
    };
    await self.print(`${JSON.stringify(value)}\n`);
    return 0;
  }
  const family = config.position === 'alibi' ? '13B class, ALiBi' : '7B class, RoPE';
  const lines = [
    `${name}: ${config.architecture}, ${family}`,

    ...Object.entries({ parameters, ...settings }).map(
      ([key, value]) => `  ${key.padEnd(20)} ${value}`,
    ),
    ...planLines(memory),
    `tokenizer.model: ${tokenizer ? 'present' : 'absent'}`,
    `${tensors.length} tensors`,
    ...tensors.map(tensorLine),
  ];
  await self.print(`${lines.join('\n')}\n`);
  return 0;
}

async function inspectedModel(args: Arguments, self: CommandProcess): Promise<Inspected> {
  const preset = args.text('preset');
  if (preset !== undefined) return inspectedPreset(preset, args);
  const model = await openModel(modelSource(args), openOptions(self));
  try {
    const tensors = [...model.checkpoint.tensors.values()].map(({ name, dtype, shape, file }) => ({
      name,
      dtype,
      shape,
      file,
    }));
    return { name: model.name, config: model.config, tensors, tokenizer: model.hasTokenizer };
  } finally {
    await model.close();
  }
}

function inspectedPreset(preset: string, args: Arguments): Inspected {
  const found = Object.entries(CONFIG_PRESETS).find(([name]) => name === preset);
  if (found === undefined || args.has('model')) {
    throw new BaichuanError('option-value', {
      where: '--preset',
      what: args.has('model') ? 'A preset has no files.' : `There is no preset ${quote(preset)}.`,
      fix: `Give --preset ${PRESETS}, without --model.`,
    });
  }
  const [name, config] = found;
  const dtype = 'BF16';
  const tensors = [...parameterShapes(config)].map(([tensor, shape]) => {
    return { name: tensor, dtype, shape, file: '' };
  });
  return { name, config, tensors, tokenizer: false };
}

/** The plan without what every tensor becomes, which the tensors tell. */
function jsonPlan({ formats: _formats, ...plan }: MemoryPlan) {
  return plan;
}

function planLines(plan: MemoryPlan): string[] {
  const { kernels, quantize, kvCache, contextLength, banks } = plan;
  const title = `memory, ${kernels} kernels, ${contextLength} positions`;
  const held = kernels === 'reference' && quantize !== 'none' ? `${quantize} as f32` : quantize;
  const sizes = {
    [`weights (${held})`]: plan.weightBytes,
    [`cache (${kvCache})`]: plan.cacheBytes,
    activations: plan.scratchBytes,
    together: plan.totalBytes,
  };
  return [
    title,
    ...Object.entries(sizes).map(([name, bytes]) => `  ${name.padEnd(20)} ${formatBytes(bytes)}`),
    ...banks.map((bank, index) => {
      const bytes = bank.weightBytes + bank.cacheBytes + bank.scratchBytes;
      const range = [bank.places[0], bank.places.at(-1)].join(' … ');
      return `  ${`bank ${index}`.padEnd(20)} ${formatBytes(bytes)}  ${range}`;
    }),
  ];
}

function tensorLine({ name, dtype, shape, file }: InspectedTensor): string {
  const shown = quote(name).slice(1, -1).padEnd(52);
  return `  ${shown} ${dtype.padEnd(5)} [${shape.join(', ')}] ${file}`.trimEnd();
}

function formatBytes(bytes: number): string {
  const [unit, size] = bytes < 1e6 ? ['kB', 1e3] : bytes < 1e9 ? ['MB', 1e6] : ['GB', 1e9];
  return `${(bytes / Number(size)).toFixed(2)} ${unit}`;
}
