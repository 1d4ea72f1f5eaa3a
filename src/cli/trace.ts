/** `baichuan trace`: every activation of one prefill, by module path, in a safetensors file. */

import {
  BaichuanError,
  createMemoryTrace,
  type LanguageModel,
  openModel,
  openTrace,
  type TraceSource,
  traceMetadata,
  traceReport,
  writeTrace,
} from '../index.ts';
import { type CommandProcess, packageVersion, runtimeName } from '../platform/command-line.ts';
import { createFile, type FileWriter, openFile } from '../platform/node.ts';
import {
  type Command,
  expectNotInterrupted,
  HTML_OPTION,
  JSON_OPTION,
  loadModel,
  MODEL_OPTION,
  modelSource,
  PROMPT_OPTIONS,
  promptOf,
  reportPath,
} from './command.ts';
import { COMPUTE_OPTIONS } from './compute.ts';
import { type Arguments, expectNoWords } from './options.ts';
import { expectSafeOutputs, modelInputs } from './outputs.ts';

export const traceCommand: Command = {
  name: 'trace',
  summary: 'record the activations of a prompt',
  usage:
    'baichuan trace (-p TEXT | --prompt-ids IDS | -f FILE) [--out FILE] [--html FILE] [options]',
  examples: [
    'baichuan trace --prompt-ids 5,77,9 --out trace.safetensors',
    "baichuan trace -p Hamlet --out probs.safetensors --taps 'layers.*.probs'",
    'baichuan trace -p Hamlet --html trace.html',
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
    HTML_OPTION,
    ...COMPUTE_OPTIONS,
    JSON_OPTION,
  ],
  run: runTrace,
};

async function runTrace(args: Arguments, self: CommandProcess): Promise<number> {
  if (!args.has('taps')) expectNoWords(args, 'Give the prompt with --prompt TEXT.');
  const [out, html] = [args.text('out'), args.has('html') ? reportPath(args) : undefined];
  if (out === '' || (out === undefined && html === undefined)) throw missingOut();
  const prompt = await promptOf(args, self);
  await expectOtherFiles(args, self, { out, html });
  await using model = await loadModel(args, self, { needsTokenizer: prompt.ids === null });
  const ids = prompt.ids ?? (await model.tokenizer()).encode(prompt.text);
  // The files are created before the work, so that a path that cannot be written costs nothing.
  const file = out === undefined ? undefined : await createFile(out);
  const page = html === undefined ? undefined : await createFile(html);
  try {
    const job = { model, ids, args, self };
    const written = file && (await writeFileOf(job, file));
    expectNotInterrupted(self);
    await file?.commit();
    const text = page && (await writePage(job, page));
    expectNotInterrupted(self);
    await page?.commit();
    const tensors = written?.tensors;
    const result = { out, html, tensors, input_ids: ids };
    const line = out === undefined ? '' : `${out}: ${tensors} tensors of ${ids.length} tokens\n`;
    await self.print(args.has('json') ? `${JSON.stringify(result)}\n` : line + (text ?? ''));
  } finally {
    await file?.abort();
    await page?.abort();
  }
  return 0;
}

/** Refuses to write over the model, the prompt or the other output. @throws option-value */
async function expectOtherFiles(
  args: Arguments,
  { signal }: CommandProcess,
  { out, html }: { out: string | undefined; html: string | undefined },
): Promise<void> {
  const opened = await openModel(modelSource(args), { signal });
  await opened.close();
  const inputs = [...modelInputs(args.text('model'), opened), ...args.texts('file')];
  await expectSafeOutputs(
    [
      ['--out', out],
      ['--html', html],
    ],
    inputs,
  );
}

interface TraceJob {
  readonly model: LanguageModel;
  readonly ids: readonly number[];
  readonly args: Arguments;
  readonly self: CommandProcess;
}

/** Patterns of what is recorded; words that follow `--taps` are some too. */
function tapsOf(args: Arguments): string[] {
  return [...args.texts('taps'), ...args.words];
}

async function writeFileOf({ model, ids, args, self }: TraceJob, file: FileWriter) {
  const taps = tapsOf(args);
  const opened = await openModel(modelSource(args), { signal: self.signal });
  try {
    const metadata = await traceMetadata(opened.config, opened.checkpoint, ids);
    metadata.set('version', await packageVersion()).set('runtime', runtimeName());
    return await writeTrace(model, ids, file, { taps, metadata, signal: self.signal });
  } finally {
    await opened.close();
  }
}

/** What the report shows; the rest need not be recorded for it. */
const REPORT_TAPS = ['*.output', '*.probs', 'logits'];

/** Writes the report, of the file if there is one. @returns the same in short */
async function writePage({ model, ids, args, self }: TraceJob, page: FileWriter) {
  const { signal } = self;
  const opened = await openModel(modelSource(args), { signal: self.signal });
  const out = args.text('out');
  const trace =
    out === undefined
      ? await recordInMemory(model, ids, { taps: tapsOf(args), signal })
      : await openTrace(await openFile(out));
  try {
    const idToPiece = opened.hasTokenizer ? (await model.tokenizer()).idToPiece : undefined;
    const report = await traceReport({
      trace,
      name: opened.name,
      model: opened,
      idToPiece,
      signal,
    });
    await page.write(new TextEncoder().encode(report.html));
    return report.text;
  } finally {
    await trace.close();
    await opened.close();
  }
}

/** A trace without a file. @throws out-of-memory, what `LanguageModel.trace` throws */
async function recordInMemory(
  model: LanguageModel,
  ids: readonly number[],
  { taps, signal }: { taps: readonly string[]; signal: AbortSignal },
): Promise<TraceSource> {
  const wanted = taps.length > 0 ? taps : REPORT_TAPS;
  const trace = createMemoryTrace('trace', new Map([['prompt_ids', JSON.stringify(ids)]]));
  const { tensors } = await model.trace(ids, { taps: wanted, signal });
  for (const { name, shape, values } of tensors.values()) trace.add(name, shape, values);
  return trace;
}

function missingOut(): BaichuanError {
  return new BaichuanError('option-value', {
    where: '--out',
    what: 'There is no file to write to.',
    fix: 'Give --out FILE.safetensors, or --html FILE.html.',
  });
}
