/** Opens a model in one GGUF file or in the parts of a split one: headers only. */
import { BaichuanError } from '../../errors.ts';
import type { ByteSource } from '../byte-source.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { GENERATION_CONFIG, type GgufVocabulary } from './baichuan-metadata.ts';
import { readGgufHeader } from './header.ts';
import { expectArchitecture, readModelConfig, takeText } from './model-config.ts';
import { TABLE } from './names.ts';
import { joinSplits, type OpenedHeader } from './split.ts';
import { checkpointTensors, type GgufTensor } from './tensors.ts';
import type { GgufMetadata } from './values.ts';
import { readVocabulary } from './vocabulary.ts';

/** A model as a Hugging Face folder would hold it. */
export interface GgufModelFile {
  /** The bytes of a config.json that says what the metadata says. */
  readonly config: Uint8Array;
  /** The bytes of the generation_config.json that the model had, unchecked. */
  readonly generationConfig: Uint8Array | undefined;
  /** With the names and shapes of the published checkpoint. */
  readonly checkpoint: Checkpoint;
  readonly vocabulary: GgufVocabulary | undefined;
}

/** Opens a model.
 *  @param sources the file, or all parts in order; they are closed with the checkpoint, or when
 *  opening fails
 *  @throws gguf-…, model-missing, model-shape, io-… */
export async function openGguf(sources: readonly ByteSource[]): Promise<GgufModelFile> {
  const close = async () => {
    for (const source of sources) await source.close();
  };
  try {
    const parts: OpenedHeader[] = [];
    for (const source of sources) {
      parts.push({ file: source.name, header: await readGgufHeader(source) });
    }
    return joinModel(parts, sources, close);
  } catch (error) {
    await close();
    throw error;
  }
}

function joinModel(
  parts: readonly OpenedHeader[],
  sources: readonly ByteSource[],
  close: () => Promise<void>,
): GgufModelFile {
  const [{ file }] = parts;
  const joined = joinSplits(parts);
  expectArchitecture(joined.metadata, file);
  const tensors = new Map<string, GgufTensor>();
  for (const [name, { tensor, part }] of joined.tensors) {
    const source = sources[part];
    const read = (byteOffset: number, byteLength: number) =>
      source.read(tensor.byteOffset + byteOffset, byteLength);
    tensors.set(name, { tensor, file: source.name, read });
  }
  const model = readModelConfig(joined.metadata, tableRows(tensors, file), file);
  const vocabulary = readVocabulary(joined.metadata, file);
  const checkpoint: Checkpoint = {
    tensors: checkpointTensors(tensors, model, file),
    metadata: texts(joined.metadata),
    notices: [
      ...parts.flatMap(({ header }) => header.notices),
      ...model.notices,
      ...(vocabulary?.notices ?? []),
      ...templateNotices(joined.metadata, file),
    ],
    close,
  };
  const text = takeText(joined.metadata, GENERATION_CONFIG, file);
  const generationConfig = text === undefined ? undefined : new TextEncoder().encode(text);
  return { config: model.config, generationConfig, checkpoint, vocabulary: vocabulary?.vocabulary };
}

/** V: a row of the embedding for every id. */
function tableRows(tensors: ReadonlyMap<string, GgufTensor>, file: string): number {
  const table = tensors.get(TABLE.gguf)?.tensor;
  if (table !== undefined) return table.shape[0];
  throw new BaichuanError('model-missing', {
    file,
    where: TABLE.gguf,
    what: 'the embedding is not in the file.',
    fix: 'Download every file of the model, or convert it anew.',
  });
}

/** The texts in the metadata, which say where a file comes from. */
function texts(metadata: GgufMetadata): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, entry] of metadata) {
    if (entry.type === 'string') found.set(key, entry.value);
  }
  return found;
}

/** A template is a program; chats are put together from ids instead. */
function templateNotices(metadata: GgufMetadata, file: string): string[] {
  const has = metadata.has('tokenizer.chat_template');
  return has ? [`${file} has a chat template, which is not used.`] : [];
}
