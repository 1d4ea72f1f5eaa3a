/** `baichuan conform`: a whole run against another backend, with a verdict per claim. */

import {
  type ArithmeticClass,
  BaichuanError,
  CLAIMS,
  type ClaimName,
  type ConformBackend,
  type ConformRequests,
  conformReportToJson,
  conformReportToText,
  createConformPage,
  EXIT_CODES,
  isArithmeticClass,
  makeRequests,
  parseRequests,
  quote,
  REQUESTS_FILE,
  runClaims,
} from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { createFile, type FileWriter, openFolder } from '../platform/node.ts';
import { type Command, HTML_OPTION, JSON_OPTION, modelSource, reportPath } from './command.ts';
import { COMPUTE_OPTIONS } from './compute.ts';
import { answerFiles, classOfFile, openBackend, WAYS, type Way } from './conform-backend.ts';
import { emitRequests } from './conform-emit.ts';
import { type OpenedReference, openReference } from './conform-reference.ts';
import { type Arguments, expectNoWords } from './options.ts';
import { expectSafeOutputs, modelInputs } from './outputs.ts';

const DEFAULT_TIMEOUT_S = 120;

/** How the model computes is fixed, but for what changes no bit. */
const EXACT_OPTIONS = COMPUTE_OPTIONS.filter(({ name }) =>
  ['kernels', 'simd', 'threads'].includes(name),
);

export const conformCommand: Command = {
  name: 'conform',
  summary: 'test another backend as a whole: a verdict for each of its claims',
  usage: 'baichuan conform (--emit DIR | --traces DIR | --server URL | --gguf FILE) [options]',
  examples: [
    'baichuan conform --emit kit',
    'baichuan conform --traces kit/alibi-40layers --json',
    'baichuan conform --server http://127.0.0.1:8080 -m path/to/folder --max-length 600',
    'baichuan conform --gguf model.gguf',
  ],
  options: [
    {
      name: 'emit',
      value: 'DIR',
      help: 'write what a backend needs: requests for the model of -m, or small models with them',
    },
    { name: 'traces', value: 'DIR', help: 'requests, with the answers that a backend recorded' },
    { name: 'server', value: 'URL', help: "OpenAI's completions, as of llama.cpp or vLLM" },
    { name: 'gguf', value: 'FILE', help: 'in native llama.cpp, by node-llama-cpp of the project' },
    {
      name: 'model',
      short: 'm',
      value: 'PATH',
      help: 'what is right; default: the model in DIR, the GGUF file itself, the embedded model',
    },
    { name: 'claims', value: 'LIST', help: `only these: ${CLAIMS.join(',')}` },
    {
      name: 'class',
      value: 'CLASS',
      help: 'arithmetic of the backend: f32 | f16 | bf16 | int8 | int4; default: f32, or the file',
    },
    { name: 'max-length', value: 'N', help: "longest prompt; default: the model's context" },
    { name: 'timeout', value: 'SECONDS', help: `for one answer; default ${DEFAULT_TIMEOUT_S}` },
    { name: 'server-model', value: 'NAME', help: 'its name on the server; default: the first' },
    { name: 'api-key-env', value: 'NAME', help: 'environment variable that holds the key' },
    { name: 'project', value: 'DIR', help: 'that has node-llama-cpp; default: this folder' },
    ...EXACT_OPTIONS,
    HTML_OPTION,
    JSON_OPTION,
  ],
  run: runConform,
};

async function runConform(args: Arguments, self: CommandProcess): Promise<number> {
  expectNoWords(args, 'Give --traces DIR, --server URL, --gguf FILE or --emit DIR.');
  const way = wayOf(args);
  expectUsed(way, args);
  const claims = claimsOf(args);
  const timeoutMs = timeoutOf(args);
  const named = classOf(args);
  const maxLength = args.number('max-length');
  if (way === 'emit') return emitRequests(args, self, { claims, maxLength });
  const reference = await openReference(sourceOf(way, args), args, self);
  let backend: ConformBackend | undefined;
  let file: FileWriter | undefined;
  try {
    // The file is created before the work, so that a path that cannot be written costs nothing.
    file = args.has('html') ? await createPage(way, args, reference) : undefined;
    const page = createConformPage({ idToPiece: reference.idToPiece, signal: self.signal });
    const requests = await requestsFor(way, args, reference, { claims, maxLength });
    backend = await openBackend(way, args, self, { reference, requests, timeoutMs });
    const report = await runClaims(requests, backend, reference, {
      class: named ?? (way === 'gguf' ? await classOfFile(args.text(way), self) : 'f32'),
      ...{ named: claims, signal: self.signal },
      onRequest: progressOf(self),
      onCompared: file === undefined ? undefined : page.look,
    });
    if (self.isErrorTerminal) self.printError('\r\u001b[K');
    await file?.write(new TextEncoder().encode(await page.render(report)));
    await file?.commit();
    const show = args.has('json') ? conformReportToJson : conformReportToText;
    await self.print(`${show(report).trimEnd()}\n`);
    return report.pass ? 0 : EXIT_CODES.check;
  } finally {
    await file?.abort();
    await backend?.close();
    await reference.close();
  }
}

/** The file of `--html`, which is none of those that are read. @throws option-value, io-… */
async function createPage(
  way: Way,
  args: Arguments,
  { opened }: OpenedReference,
): Promise<FileWriter> {
  const path = reportPath(args);
  const source = sourceOf(way, args);
  const inputs = modelInputs(typeof source === 'string' ? source : undefined, opened);
  await expectSafeOutputs([['--html', path]], [...inputs, ...(await answerFiles(way, args))]);
  return createFile(path);
}

/** @throws option-value */
function wayOf(args: Arguments): Way {
  const given = WAYS.filter((name) => args.has(name));
  if (given.length === 1 && args.text(given[0]) !== '') return given[0];
  throw new BaichuanError('option-value', {
    where: given.length === 0 ? '--traces' : given.map((name) => `--${name}`).join(' and '),
    what: given.length > 1 ? 'There are several backends.' : 'There is no backend to test.',
    fix: 'Give one of --traces DIR, --server URL, --gguf FILE and --emit DIR.',
  });
}

/** Options that only some ways have a use for. */
const USES: Readonly<Record<string, readonly Way[]>> = {
  class: ['traces', 'server', 'gguf'],
  timeout: ['server', 'gguf'],
  'server-model': ['server'],
  'api-key-env': ['server'],
  project: ['gguf'],
  html: ['traces', 'server', 'gguf'],
};

/** Refuses what would have no effect. @throws option-value */
function expectUsed(way: Way, args: Arguments): void {
  for (const [name, ways] of Object.entries(USES)) {
    if (!args.has(name) || ways.includes(way)) continue;
    throw new BaichuanError('option-value', {
      where: `--${name}`,
      what: `It has no effect with --${way}.`,
      fix: `Leave it out, or use it with ${ways.map((one) => `--${one}`).join(', ')}.`,
    });
  }
}

function claimsOf(args: Arguments): ClaimName[] | undefined {
  const text = args.text('claims');
  if (text === undefined) return undefined;
  return text.split(/[\s,]+/).map((word) => {
    const claim = CLAIMS.find((name) => name === word);
    if (claim !== undefined) return claim;
    throw new BaichuanError('option-value', {
      where: '--claims',
      what: `${quote(word)} is no claim.`,
      fix: `Use some of ${CLAIMS.join(',')}.`,
    });
  });
}

/** @throws trace-class */
function classOf(args: Arguments): ArithmeticClass | undefined {
  const text = args.text('class');
  if (text === undefined || isArithmeticClass(text)) return text;
  throw new BaichuanError('trace-class', {
    where: '--class',
    what: `${quote(text)} is no arithmetic class.`,
    fix: 'Use f32, f16, bf16, int8 or int4.',
  });
}

function timeoutOf(args: Arguments): number {
  const seconds = args.number('timeout') ?? DEFAULT_TIMEOUT_S;
  if (seconds > 0 && seconds <= 86_400) return Math.ceil(seconds * 1000);
  throw new BaichuanError('option-value', {
    where: '--timeout',
    what: `${seconds} is no time to wait.`,
    fix: 'Give seconds, above 0 and up to 86400.',
  });
}

/** The model that says what is right. */
function sourceOf(way: Way, args: Arguments) {
  if (args.has('model')) return modelSource(args);
  return way === 'server' ? undefined : args.text(way);
}

interface Asked {
  readonly claims: readonly ClaimName[] | undefined;
  readonly maxLength: number | undefined;
}

/** Those that were emitted, where answers were recorded; else made for the model. */
async function requestsFor(
  way: Way,
  args: Arguments,
  reference: OpenedReference,
  { claims = CLAIMS, maxLength }: Asked,
): Promise<ConformRequests> {
  const { vocabSize, modelMaxLength } = reference.opened.config;
  const { continuation, fingerprint } = reference;
  if (way !== 'traces') {
    return makeRequests({ vocabSize, modelMaxLength, maxLength, claims, continuation });
  }
  const folder = openFolder(args.text('traces') ?? '');
  const source = await folder.open(REQUESTS_FILE);
  const bytes = await source.read(0, source.size);
  await source.close();
  const { requests, model } = parseRequests(bytes, source.name);
  if (model.fingerprint !== fingerprint) throw otherModel(source.name, reference.model);
  const has = (claim: ClaimName) => claims.includes(claim);
  return {
    texts: has('tokenizer') ? requests.texts : [],
    chats: has('chat') ? requests.chats : [],
    prefills: requests.prefills.filter(
      ({ claim, ids }) => has(claim) && ids.length <= (maxLength ?? ids.length),
    ),
  };
}

function otherModel(file: string, model: string): BaichuanError {
  return new BaichuanError('trace-model', {
    file,
    where: '/fingerprint',
    what: `The requests were emitted for another model than ${quote(model)}.`,
    fix: 'Name that model with -m, or emit requests for this one.',
  });
}

function progressOf(self: CommandProcess): ((claim: ClaimName, id: string) => void) | undefined {
  if (!self.isErrorTerminal) return undefined;
  return (claim, id) => self.printError(`\r\u001b[K${claim} ${id}`);
}
