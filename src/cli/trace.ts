/** `baichuan trace`: every activation of one prefill, by module path, in a safetensors file. */

import {
  BaichuanError,
  openModel,
  traceMetadata,
  traceTensorsToWrite,
  writeSafetensors,
} from '../index.ts';
import { type CommandProcess, packageVersion, runtimeName } from '../platform/command-line.ts';
import { createFile } from '../platform/node.ts';
import {
  type Command,
  expectNotInterrupted,
  JSON_OPTION,
  loadModel,
  MODEL_OPTION,
  modelSource,
  PROMPT_OPTIONS,
  promptOf,
} from './command.ts';
import { COMPUTE_OPTIONS } from './compute.ts';
import { type Arguments, expectNoWords } from './options.ts';

export const traceCommand: Command = {
  name: 'trace',
  summary: 'record the activations of a prompt',
  usage: 'baichuan trace (-p TEXT | --prompt-ids IDS | -f FILE) --out FILE.safetensors [options]',
  examples: [
    'baichuan trace --prompt-ids 5,77,9 --out trace.safetensors',
    "baichuan trace -p Hamlet --out probs.safetensors --taps 'layers.*.probs'",
  ],
  options: [
    MODEL_OPTION,
    ...PROMPT_OPTIONS,
    {
      name: 'out',
      short: 'o',
      value: 'FILE',
      help: 'the file to write; an existing one is replaced',
    },
    {
      name: 'taps',
      value: 'PATTERN',
      repeated: true,
      help: 'only these names, * for any characters; several may follow',
    },
    ...COMPUTE_OPTIONS,
    JSON_OPTION,
  ],
  run: runTrace,
};

async function runTrace(args: Arguments, self: CommandProcess): Promise<number> {
  const taps = [...args.texts('taps'), ...args.words];
  if (!args.has('taps')) expectNoWords(args, 'Give the prompt with --prompt TEXT.');
  const out = args.text('out');
  if (out === undefined || out === '') throw missingOut();
  const prompt = await promptOf(args, self);
  await using model = await loadModel(args, self, { needsTokenizer: prompt.ids === null });
  const ids = prompt.ids ?? (await model.tokenizer()).encode(prompt.text);
  // The file is created before the work, so that a path that cannot be written costs nothing.
  const file = await createFile(out);
  try {
    const trace = await model.trace(ids, { taps, signal: self.signal });
    const { tensors, metadata } = traceTensorsToWrite(model, trace, taps);
    const origin = await originOf(args, ids);
    await writeSafetensors(file, tensors, new Map([...metadata, ...origin]));
    expectNotInterrupted(self);
    await file.commit();
    const result = { out, tensors: tensors.length, input_ids: ids };
    const line = args.has('json')
      ? JSON.stringify(result)
      : `${out}: ${tensors.length} tensors of ${ids.length} tokens`;
    await self.print(`${line}\n`);
  } finally {
    await file.abort();
  }
  return 0;
}

/** Which model, prompt, version and runtime a trace is of. */
async function originOf(args: Arguments, ids: readonly number[]): Promise<Map<string, string>> {
  const { config, checkpoint, close } = await openModel(modelSource(args));
  try {
    const model = await traceMetadata(config, checkpoint, ids);
    return model.set('version', await packageVersion()).set('runtime', runtimeName());
  } finally {
    await close();
  }
}

function missingOut(): BaichuanError {
  return new BaichuanError('option-value', {
    where: '--out',
    what: 'There is no file to write to.',
    fix: 'Give --out FILE.safetensors.',
  });
}
