/** `baichuan conform --emit`: everything that a backend needs to be tested.
 *
 *      DIR/requests.json                     with -m: for that model
 *      DIR/NAME/…                            without: a folder per small model, with
 *        config.json, generation_config.json, tokenizer.model
 *        model.safetensors, pytorch_model.bin, model.gguf        the same numbers
 *        requests.json                       what to run
 *        expected/answers.json, expected/ID.safetensors          what is right */

import {
  type ClaimName,
  type ConformRequests,
  configToJson,
  embeddedModel,
  exportGguf,
  makeRequests,
  type PrefillRequest,
  REQUESTS_FILE,
  readGgufVocabulary,
  requestsToJson,
  TINY_MODELS,
  type TinyModel,
  type TinyTensor,
  tinyWeights,
  traceBytes,
  writeSafetensors,
  writeTorch,
} from '../index.ts';
import type { CommandProcess } from '../platform/command-line.ts';
import { createFile, locateModel } from '../platform/node.ts';
import { createEmptyFolder, createFolder } from '../platform/node-create-folder.ts';
import { pathOf } from '../platform/node-paths.ts';
import { expectNotInterrupted, modelSource } from './command.ts';
import { type OpenedReference, openReference } from './conform-reference.ts';
import type { Arguments } from './options.ts';

interface Asked {
  readonly claims: readonly ClaimName[] | undefined;
  readonly maxLength: number | undefined;
}

/** Prompts of the small models, where nothing else is said: enough for chunks and blocks. */
const KIT_LENGTH = 520;

/** Writes requests for the model of `-m`, or small models with all that belongs to them.
 *  @returns the exit code @throws io-…, option-value, what loading the model does */
export async function emitRequests(
  args: Arguments,
  self: CommandProcess,
  asked: Asked,
): Promise<number> {
  const folder = args.text('emit') ?? '';
  await createEmptyFolder(folder);
  const models: string[] = [];
  if (args.has('model')) {
    const reference = await openReference(modelSource(args), args, self);
    try {
      await writeRequests(folder, reference, asked);
    } finally {
      await reference.close();
    }
  } else {
    const vocabulary = await embeddedFiles();
    for (const model of TINY_MODELS) {
      expectNotInterrupted(self);
      const path = `${folder}/${model.name}`;
      await writeModel(path, model, vocabulary);
      await emitFor(path, args, self, { maxLength: KIT_LENGTH, ...defined(asked) });
      models.push(model.name);
    }
  }
  const text = args.has('json')
    ? JSON.stringify({ out: folder, models })
    : [`${folder}: requests`, ...models.map((name) => `${folder}/${name}`)].join('\n');
  await self.print(`${text}\n`);
  return 0;
}

function defined({ claims, maxLength }: Asked): Partial<Asked> {
  return { ...(claims && { claims }), ...(maxLength !== undefined && { maxLength }) };
}

/** Requests and expected answers for the model that lies in a folder. */
async function emitFor(
  folder: string,
  args: Arguments,
  self: CommandProcess,
  asked: Partial<Asked>,
): Promise<void> {
  const reference = await openReference(folder, args, self);
  try {
    const requests = await writeRequests(folder, reference, { claims: undefined, ...asked });
    await writeExpected(`${folder}/expected`, reference, requests, self);
  } finally {
    await reference.close();
  }
}

async function writeRequests(
  folder: string,
  reference: OpenedReference,
  { claims, maxLength }: Partial<Asked>,
): Promise<ConformRequests> {
  const { opened, fingerprint, continuation } = reference;
  const { vocabSize, modelMaxLength } = opened.config;
  const options = { vocabSize, modelMaxLength, maxLength, claims, continuation };
  const requests = await makeRequests(options);
  await writeText(
    `${folder}/${REQUESTS_FILE}`,
    requestsToJson(requests, { fingerprint, vocabSize }),
  );
  return requests;
}

async function writeExpected(
  folder: string,
  reference: OpenedReference,
  { texts, chats, prefills }: ConformRequests,
  self: CommandProcess,
): Promise<void> {
  await createFolder(folder);
  const answers: Record<'texts' | 'chats', Record<string, readonly number[]>> = {
    texts: {},
    chats: {},
  };
  for (const { id, text } of texts) answers.texts[id] = (await reference.encode(text)) ?? [];
  for (const { id, messages } of chats) {
    answers.chats[id] = (await reference.chat(messages)) ?? [];
  }
  await writeText(`${folder}/answers.json`, `${JSON.stringify(answers)}\n`);
  for (const request of prefills) {
    expectNotInterrupted(self);
    const path = `${folder}/${request.id}.safetensors`;
    if (request.claim === 'layers') await writeBytes(path, await reference.traceFile(request));
    else await writeBytes(path, await scoresFile(reference, request));
  }
}

/** Scores of the positions asked, as a trace. */
async function scoresFile(
  reference: OpenedReference,
  request: PrefillRequest,
): Promise<Uint8Array> {
  const rows = await reference.next(request);
  const V = rows[0]?.length ?? 0;
  const values = new Float32Array(rows.length * V);
  rows.forEach((row, index) => {
    values.set(row, index * V);
  });
  const metadata = new Map([
    ['class', 'f32'],
    ['prompt_ids', JSON.stringify(request.ids)],
  ]);
  const chunks = [new Uint8Array(values.buffer)];
  return traceBytes([{ name: 'logits', dtype: 'F32', shape: [rows.length, V], chunks }], metadata);
}

interface SharedFiles {
  readonly tokenizer: Uint8Array;
  readonly generationConfig: Uint8Array;
}

/** The vocabulary and the roles of the embedded model. */
async function embeddedFiles(): Promise<SharedFiles> {
  const { folder } = await locateModel(pathOf(embeddedModel()));
  const read = async (name: string) => {
    const source = await folder.open(name);
    const bytes = await source.read(0, source.size);
    await source.close();
    return bytes;
  };
  const tokenizer = await read('tokenizer.model');
  return { tokenizer, generationConfig: await read('generation_config.json') };
}

/** The files of a small model, in every format. */
async function writeModel(folder: string, model: TinyModel, shared: SharedFiles): Promise<void> {
  await createFolder(folder);
  const { name, config } = model;
  const tensors = tinyWeights(model);
  await writeText(`${folder}/config.json`, `${configToJson(config)}\n`);
  await writeBytes(`${folder}/generation_config.json`, shared.generationConfig);
  await writeBytes(`${folder}/tokenizer.model`, shared.tokenizer);
  await writeFile(`${folder}/model.safetensors`, (sink) => writeSafetensors(sink, tensors));
  await writeFile(`${folder}/pytorch_model.bin`, (sink) => writeTorch(sink, tensors));
  const vocabulary = readGgufVocabulary(shared.tokenizer, 'tokenizer.model');
  const gguf = { checkpoint: checkpointOf(tensors), sizes: config, vocabulary, name };
  await writeFile(`${folder}/model.gguf`, (sink) => exportGguf(sink, gguf, { type: 'F32' }));
  await createFolder(`${folder}/traces`);
}

/** Tensors in memory, as an exporter reads them. */
function checkpointOf(tensors: readonly TinyTensor[]) {
  return { tensors: new Map(tensors.map((tensor) => [tensor.name, storedTensor(tensor)])) };
}

function storedTensor({ name, dtype, shape, chunks: [bytes] }: TinyTensor) {
  const read = async (start: number, length: number) => bytes.slice(start, start + length);
  return { name, dtype, shape, byteLength: bytes.length, file: 'memory', read };
}

type Sink = Awaited<ReturnType<typeof createFile>>;

async function writeFile(path: string, write: (sink: Sink) => Promise<void>): Promise<void> {
  const file = await createFile(path);
  try {
    await write(file);
    await file.commit();
  } finally {
    await file.abort();
  }
}

function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  return writeFile(path, (sink) => sink.write(bytes));
}

function writeText(path: string, text: string): Promise<void> {
  return writeBytes(path, new TextEncoder().encode(text));
}
