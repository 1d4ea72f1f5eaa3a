/** A backend that answered in files: `answers.json`, and a trace per prefill. */

import type { BaichuanConfig } from '../../config.ts';
import { BaichuanError } from '../../errors.ts';
import type { ByteSource } from '../../formats/byte-source.ts';
import type { Folder } from '../../formats/hugging-face-folder.ts';
import { traceName } from '../../model/trace-points.ts';
import type { Distribution } from '../../verify/distribution.ts';
import { expectFits } from '../comparable.ts';
import { promptsOf } from '../trace-model.ts';
import { findEntry, openTrace, type TraceSource } from '../trace-source.ts';
import type { ConformBackend, PrefillRequest } from './claim.ts';
import { ANSWERS_FILE, NO_ANSWERS, parseAnswers, TRACES_FOLDER } from './request-files.ts';

export interface TraceFolderOptions {
  /** The folder with the requests, and `answers.json`. */
  readonly folder: Folder;
  /** Its folder of traces; undefined where there is none. */
  readonly traces: Folder | undefined;
  /** Of the model that was asked about. */
  readonly config: BaichuanConfig;
}

/** Opens the answers; traces are opened when their turn comes.
 *  @throws json-…, conform-answers, io-… */
export async function openTraceFolder(options: TraceFolderOptions): Promise<ConformBackend> {
  const { folder, traces, config } = options;
  const hasAnswers = (await folder.list()).includes(ANSWERS_FILE);
  const answers = hasAnswers
    ? parseAnswers(await readAll(await folder.open(ANSWERS_FILE)), `${folder.name}/${ANSWERS_FILE}`)
    : NO_ANSWERS;
  const names = new Set(await traces?.list());
  const open = async ({ id }: PrefillRequest): Promise<TraceSource | undefined> => {
    const name = `${id}.safetensors`;
    if (traces === undefined || !names.has(name)) return undefined;
    const trace = await openTrace(await traces.open(name));
    try {
      expectFits(trace, config);
      return trace;
    } catch (error) {
      await trace.close();
      throw error;
    }
  };
  return {
    name: `traces of ${folder.name}`,
    encode: async ({ id }) => answers.texts.get(id),
    chat: async ({ id }) => answers.chats.get(id),
    trace: open,
    async next(request) {
      const trace = await open(request);
      try {
        return trace === undefined ? undefined : await rowsOf(trace, request);
      } finally {
        await trace?.close();
      }
    },
    why(claim) {
      if (claim !== 'tokenizer' && claim !== 'chat') return `no traces of it in ${TRACES_FOLDER}/`;
      const part = claim === 'chat' ? 'chats' : 'texts';
      return hasAnswers ? `none of its ${part} in ${ANSWERS_FILE}` : `no ${ANSWERS_FILE} with it`;
    },
    close: async () => {},
  };
}

async function readAll(source: ByteSource): Promise<Uint8Array> {
  try {
    return await source.read(0, source.size);
  } finally {
    await source.close();
  }
}

/** The rows of `logits` that were asked for. @throws trace-prompt, trace-shape, trace-tensor */
async function rowsOf(trace: TraceSource, request: PrefillRequest): Promise<Distribution[]> {
  await expectPrompt(trace, request);
  const { ids, positions } = request;
  const entry = findEntry(trace, traceName('logits'));
  if (entry === undefined) throw fault(trace, 'has no logits', 'Record the logits as well.');
  const [rows, vocabSize] = entry.shape;
  if (entry.batch !== 1 || (rows !== ids.length && rows !== positions.length)) {
    const wanted = `where ${ids.length} were asked for`;
    const what = `has logits of ${entry.batch} × ${rows} tokens, ${wanted}`;
    throw fault(trace, what, 'Record one prefill of the ids of the request, as one batch row.');
  }
  return Promise.all(
    positions.map(async (position, index) => {
      const row = rows === ids.length ? position : index;
      return { kind: 'scores', values: await entry.read(row * vocabSize, vocabSize) } as const;
    }),
  );
}

async function expectPrompt(trace: TraceSource, { ids }: PrefillRequest): Promise<void> {
  const prompts = await promptsOf(trace);
  if (prompts === undefined || prompts.flat().join() === ids.join()) return;
  const found = prompts.flat();
  const at = ids.findIndex((id, index) => id !== found[index]);
  const place = at < 0 ? ids.length : at;
  throw new BaichuanError('trace-prompt', {
    file: trace.name,
    where: `position ${place}`,
    what: `The request has id ${ids[place] ?? 'none'} here, the trace ${found[place] ?? 'none'}.`,
    fix: 'Run the backend on the ids of the request, with nothing added.',
    expected: ids[place] ?? 'none',
    found: found[place] ?? 'none',
  });
}

function fault(trace: TraceSource, what: string, fix: string): BaichuanError {
  const where = traceName('logits');
  return new BaichuanError('trace-shape', { file: trace.name, where, what: `It ${what}.`, fix });
}
