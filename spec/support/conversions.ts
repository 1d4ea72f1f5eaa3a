/** Conversions in memory, and models to convert. */

import type { Folder } from '../../src/formats/hugging-face-folder.ts';
import {
  type ConvertOptions,
  type ConvertPass,
  convertToGguf,
  convertToSafetensors,
  type FolderSink,
  type ModelSource,
  openModel,
} from '../../src/index.ts';
import { BPE, BYTE_FALLBACK, BYTE_PIECES, buildModel } from '../tokenizer/model-builder.ts';
import { joinBytes, memoryFolder, utf8 } from './model-files.ts';
import { syntheticFolder } from './synthetic-model.ts';

/** A folder that is written into memory. */
export function memorySink(): FolderSink & { readonly content: Record<string, Uint8Array> } {
  const content: Record<string, Uint8Array> = {};
  return {
    content,
    async create(name) {
      const parts: Uint8Array[] = [];
      return {
        write: async (bytes) => void parts.push(Uint8Array.from(bytes)),
        finish: async () => {
          content[name] = joinBytes(...parts);
        },
      };
    },
  };
}

/** The files that a model becomes. */
export async function convertedFiles(
  source: ModelSource | undefined,
  options: ConvertOptions = {},
  pass: ConvertPass = {},
): Promise<Record<string, Uint8Array>> {
  const model = await openModel(source);
  try {
    const sink = memorySink();
    const conversion = await convertToSafetensors(model, options, pass);
    await conversion.write(sink);
    return sink.content;
  } finally {
    await model.close();
  }
}

/** The same as a folder to be opened. */
export async function convertedFolder(
  source: ModelSource | undefined,
  options: ConvertOptions = {},
  pass: ConvertPass = {},
): Promise<Folder> {
  return memoryFolder(await convertedFiles(source, options, pass), 'converted');
}

/** The GGUF file that a model becomes, as a folder of one file. */
export async function convertedGguf(
  source: ModelSource | undefined,
  options: ConvertOptions = {},
  pass: ConvertPass = {},
): Promise<Folder> {
  const model = await openModel(source);
  try {
    const parts: Uint8Array[] = [];
    const sink = { write: async (bytes: Uint8Array) => void parts.push(Uint8Array.from(bytes)) };
    const conversion = await convertToGguf(model, options, pass);
    await conversion.write(sink);
    const bytes = joinBytes(...parts);
    if (bytes.length !== conversion.totalBytes) throw new Error('the plan is of another size');
    return memoryFolder({ 'model.gguf': bytes }, 'converted');
  } finally {
    await model.close();
  }
}

/** Bytes of a tokenizer.model with as many pieces as a vocabulary. */
export function tokenizerBytes(vocabSize: number): Uint8Array {
  const merges = Array.from({ length: vocabSize - 3 - 256 }, (_, index) => ({
    piece: String.fromCodePoint(0x4e00 + index),
    score: -index,
    type: index < 5 ? 4 : 1,
  }));
  const trainer = [...BPE, ...BYTE_FALLBACK];
  return buildModel({ pieces: [...BYTE_PIECES, ...merges], trainer });
}

const VOCABULARY = 270;

/** A bfloat16 model with rotary positions, a tokenizer and whole blocks of 32. */
export function ropeFolder(): Folder {
  const folder = syntheticFolder({
    ...{ position: 'rope', vocabSize: VOCABULARY, hiddenSize: 64, intermediateSize: 96 },
    ...{ numHiddenLayers: 2, numAttentionHeads: 2 },
  });
  const others: Record<string, Uint8Array> = {
    'tokenizer.model': tokenizerBytes(VOCABULARY),
    'generation_config.json': utf8('{"temperature": 0.5, "pad_token_id": 0}'),
  };
  const beside = memoryFolder(others, folder.name);
  return {
    name: folder.name,
    list: async () => [...(await folder.list()), ...Object.keys(others)],
    open: (name) => (name in others ? beside : folder).open(name),
  };
}
