/** The model that says what is right: this library, exact and unquantized. */

import {
  BaichuanError,
  bufferSource,
  buildChatPrompt,
  type ConformReference,
  compareBackends,
  complete,
  type LanguageModel,
  load,
  type ModelSource,
  memorySink,
  type OpenedModel,
  openModel,
  openTrace,
  type PrefillRequest,
  type RequestedMessage,
  scoreBar,
  type Tokenizer,
  traceMetadata,
  writeTrace,
} from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { noticePrinter } from './command.ts';
import { computeOptions, progressPrinter } from './compute.ts';
import type { Arguments } from './options.ts';

/** Room that the published chat code leaves for an answer, in tokens. */
const ANSWER_TOKENS = 1;

/** Tokens that the model generates for the claim `generation`. */
const GENERATED_TOKENS = 24;

export interface OpenedReference extends ConformReference {
  /** For the report. */
  readonly model: string;
  readonly opened: OpenedModel;
  readonly fingerprint: string;
  /** Undefined where the model has no tokenizer. */
  readonly idToPiece: Tokenizer['idToPiece'] | undefined;
  /** The file of a trace. */
  traceFile(request: PrefillRequest): Promise<Uint8Array>;
  /** The greedy continuation of a prompt. */
  continuation(ids: readonly number[]): Promise<readonly number[]>;
  close(): Promise<void>;
}

/** Opens the model; its weights are loaded when the first answer of it is needed.
 *  @throws what `openModel` does */
export async function openReference(
  source: ModelSource | undefined,
  args: Arguments,
  self: CommandProcess,
): Promise<OpenedReference> {
  const onNotice = noticePrinter(self);
  const { signal } = self;
  const opened = await openModel(source, { signal });
  try {
    const onProgress = progressPrinter(args, self);
    const exact = { quantize: 'none', kvCache: 'f32', activations: 'exact' } as const;
    const options = { ...computeOptions(args), ...exact, signal };
    let loading: Promise<LanguageModel> | undefined;
    const model = () => {
      loading ??= load(source, { ...options, onNotice, onProgress });
      return loading;
    };
    const metadata = await traceMetadata(opened.config, opened.checkpoint, []);
    const tokenizer = opened.hasTokenizer ? await opened.loadTokenizer() : undefined;
    return {
      model: opened.name,
      opened,
      idToPiece: tokenizer?.idToPiece,
      fingerprint: metadata.get('fingerprint') ?? '',
      encode: async (text) => tokenizer?.encode(text),
      chat: async (messages) =>
        tokenizer === undefined ? undefined : chatIds(messages, opened, tokenizer),
      trace: async (request) =>
        openTrace(
          bufferSource('the model', await traceFile(await model(), opened, request, signal)),
        ),
      traceFile: async (request) => traceFile(await model(), opened, request, signal),
      next: async (request) => scoresAfter(await model(), request, signal),
      compare: (expected, found, arithmetic) =>
        compareBackends(expected, found, {
          ...{ class: arithmetic, model: opened, signal },
        }),
      bar: (positions, arithmetic) => scoreBar(opened.config, positions, arithmetic),
      continuation: async (ids) => continuationOf(await model(), ids, signal),
      close: async () => {
        await (await loading?.catch(() => undefined))?.close();
        await opened.close();
      },
    };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** The prompt of a chat; undefined for a model without roles. */
async function chatIds(
  messages: readonly RequestedMessage[],
  { config, generationConfig }: OpenedModel,
  tokenizer: Parameters<typeof buildChatPrompt>[1]['tokenizer'],
): Promise<number[] | undefined> {
  const { userTokenId, assistantTokenId } = generationConfig;
  if (userTokenId === undefined || assistantTokenId === undefined) return undefined;
  const { modelMaxLength } = config;
  const roles = { userTokenId, assistantTokenId };
  const options = { tokenizer, roles, modelMaxLength, maxNewTokens: ANSWER_TOKENS };
  return buildChatPrompt(messages, options).promptIds;
}

/** A trace without fingerprint: a backend may hold the same numbers in another type. */
async function traceFile(
  model: LanguageModel,
  { config, checkpoint }: OpenedModel,
  { ids, taps }: PrefillRequest,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const metadata = await traceMetadata(config, checkpoint, ids);
  metadata.delete('fingerprint');
  const file = memorySink();
  await writeTrace(model, ids, file, { taps, signal, metadata });
  return file.bytes();
}

/** The scores after each position asked, from one sequence that grows from one to the next. */
async function scoresAfter(
  model: LanguageModel,
  { ids, positions }: PrefillRequest,
  signal: AbortSignal,
): Promise<Float32Array[]> {
  const sequence = model.openSequence();
  try {
    const rows: Float32Array[] = [];
    for (const position of positions) {
      rows.push(await sequence.append(ids.slice(sequence.length, position + 1), { signal }));
    }
    return rows;
  } finally {
    sequence.close();
  }
}

async function continuationOf(
  model: LanguageModel,
  ids: readonly number[],
  signal: AbortSignal,
): Promise<readonly number[]> {
  const greedy = { greedy: true, repetitionPenalty: 1, maxNewTokens: GENERATED_TOKENS };
  const { outputIds } = await complete(model, { ids }, { ...greedy, signal });
  if (outputIds.length > 0) return outputIds;
  throw new BaichuanError('conform-requests', {
    where: 'generation',
    what: 'The model ends at once after the prompt of this claim.',
    fix: 'Leave the claim out with --claims.',
  });
}
