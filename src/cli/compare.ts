/** `baichuan compare`: another backend's trace against an expected one, or against a model. */

import {
  type BackendComparison,
  BaichuanError,
  compareBackends,
  compareReport,
  compareWithModel,
  comparisonToJson,
  comparisonToSummary,
  comparisonToText,
  computedTrace,
  EXIT_CODES,
  expectMatches,
  type OpenedModel,
  openModel,
  openTrace,
  type TraceSource,
  tapFilter,
} from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { createFile, type FileWriter, openFile } from '../platform/node.ts';
import {
  type Command,
  expectNotInterrupted,
  HTML_OPTION,
  JSON_OPTION,
  modelSource,
  openOptions,
  reportPath,
} from './command.ts';
import type { Arguments } from './options.ts';
import { expectSafeOutputs, modelInputs } from './outputs.ts';

export const compareCommand: Command = {
  name: 'compare',
  summary: 'compare the activations of another backend, and name the bug they look like',
  usage: 'baichuan compare EXPECTED FOUND [options], or compare --model PATH FOUND [options]',
  examples: [
    'baichuan compare expected.safetensors found.safetensors',
    'baichuan compare expected.safetensors found.safetensors --class bf16 --json',
    'baichuan compare --model path/to/folder found.safetensors --html report.html',
  ],
  options: [
    {
      name: 'model',
      short: 'm',
      value: 'PATH',
      help: 'the model: with one trace, judges every operation alone; with two, the diagnosis',
    },
    {
      name: 'class',
      value: 'CLASS',
      help: 'arithmetic: f32 | f16 | bf16 | int8 | int4; default: as EXPECTED says, --model: f32',
    },
    {
      name: 'taps',
      value: 'PATTERN',
      repeated: true,
      help: 'only tensors of these names, * for any characters; may be given several times',
    },
    { name: 'short', help: 'print one line per layer, for its worst tensor, instead of all' },
    HTML_OPTION,
    JSON_OPTION,
  ],
  run: runCompare,
};

async function runCompare(args: Arguments, self: CommandProcess): Promise<number> {
  const paths = pathsOf(args);
  const traces: TraceSource[] = [];
  const model = args.has('model')
    ? await openModel(modelSource(args), openOptions(self))
    : undefined;
  let report: FileWriter | undefined;
  try {
    // The file is created before the work, so that a path that cannot be written costs nothing.
    if (args.has('html')) {
      const weights = model === undefined ? [] : modelInputs(args.text('model'), model);
      await expectSafeOutputs([['--html', reportPath(args)]], [...paths, ...weights]);
      report = await createFile(reportPath(args));
    }
    for (const path of paths) traces.push(await openTrace(await openFile(path)));
    const { comparison, html } = await compareTraceFiles(traces, model, args, self);
    if (report !== undefined) {
      const bytes = new TextEncoder().encode(await html());
      expectNotInterrupted(self);
      await report.write(bytes);
      await report.commit();
    }
    await self.print(textOf(comparison, args));
    return comparison.pass ? 0 : EXIT_CODES.check;
  } finally {
    await report?.abort();
    await Promise.all([...traces, ...(model === undefined ? [] : [model])].map((x) => x.close()));
  }
}

function textOf(comparison: BackendComparison, args: Arguments): string {
  if (args.has('json')) return `${comparisonToJson(comparison)}\n`;
  return args.has('short') ? comparisonToSummary(comparison) : comparisonToText(comparison);
}

/** The comparison, and its report, which is made only when it is wanted. */
async function compareTraceFiles(
  traces: readonly TraceSource[],
  model: OpenedModel | undefined,
  args: Arguments,
  { signal }: CommandProcess,
) {
  const taps = args.texts('taps');
  expectMatches(taps, [...traces[0].entries.keys()]);
  const options = { class: args.text('class'), filter: tapFilter(taps), signal };
  const [first, second] = traces;
  const spells = args.has('html') && model?.hasTokenizer === true;
  const spelling = spells ? await model.loadTokenizer() : undefined;
  const idToPiece = spelling?.idToPiece;
  if (second !== undefined) {
    const comparison = await compareBackends(first, second, { ...options, model });
    const sides = { expected: first, found: second, isLocal: false };
    return { comparison, html: () => compareReport({ comparison, ...sides, idToPiece, signal }) };
  }
  if (model === undefined) throw wrongPaths(1);
  const computed = args.has('html') ? computedTrace(model.name) : undefined;
  const watch = computed?.watch;
  const comparison = await compareWithModel(model, first, { ...options, watch });
  const sides = { expected: computed?.trace ?? first, found: first, isLocal: true };
  return { comparison, html: () => compareReport({ comparison, ...sides, idToPiece, signal }) };
}

/** One path with a model, else two. */
function pathsOf(args: Arguments): readonly string[] {
  const { words } = args;
  const counts = args.has('model') ? [1, 2] : [2];
  if (!counts.includes(words.length)) throw wrongPaths(words.length);
  return words;
}

function wrongPaths(count: number): BaichuanError {
  return new BaichuanError('option-value', {
    where: 'EXPECTED FOUND',
    what: `${count} trace files were given.`,
    fix: 'Give two, EXPECTED and FOUND, or --model PATH and one.',
  });
}
