/** A Baichuan model of any size whose weights are made up while they are read.
 *
 *  Every matrix is a window on one endless repetition of a block of 1,048,573 numbers, about normal
 *  with deviation 0.02, that begins at an offset of the tensor's own; norms are 1. The length of
 *  the block is prime, so that the rows of a matrix begin at different places of it. Copying makes
 *  bytes faster than a disk reads them, and 13 billion weights need no file. */

import {
  type BaichuanConfig,
  type ByteSource,
  bufferSource,
  type Folder,
  parameterShapes,
  parseConfig,
} from '../../src/index.ts';

/** The sizes that tell two Baichuan models apart. */
export interface SyntheticSizes {
  readonly layers: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly heads: number;
  readonly vocabulary: number;
  /** 7B turns by position, 13B has slopes; slopes by default. */
  readonly positions?: 'alibi' | 'rope' | undefined;
}

/** A tensor of the made-up checkpoint. */
export interface SyntheticTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** From the end of the header, in bytes. */
  readonly byteOffset: number;
}

export interface SyntheticModel {
  readonly sizes: SyntheticSizes;
  readonly config: BaichuanConfig;
  readonly tensors: readonly SyntheticTensor[];
  /** Writes bfloat16 of a tensor from its byte `byteOffset` on into all of `target`. */
  fill(tensor: SyntheticTensor, byteOffset: number, target: Uint8Array): void;
  /** The model as a Hugging Face folder with one safetensors file. */
  readonly folder: Folder;
}

const BLOCK_ELEMENTS = 1_048_573;
const DEVIATION = 0.02;
const BFLOAT16_BYTES = 2;
const BFLOAT16_ONE = Uint8Array.of(0x80, 0x3f);
const CONTEXT_LENGTH = 4096;

/** Makes the model; nothing large is allocated. */
export function createSyntheticModel(sizes: SyntheticSizes): SyntheticModel {
  const configBytes = new TextEncoder().encode(syntheticConfig(sizes));
  const config = parseConfig(configBytes, { file: 'config.json' });
  const tensors = layOut(parameterShapes(config));
  const block = randomBlock();
  const fill: SyntheticModel['fill'] = ({ name, shape }, byteOffset, target) => {
    if (shape.length === 1) repeat(BFLOAT16_ONE, byteOffset, target);
    else repeat(block, BFLOAT16_BYTES * (hash(name) % BLOCK_ELEMENTS) + byteOffset, target);
  };
  const header = headerOf(tensors);
  const folder: Folder = {
    name: `synthetic-${sizes.layers}x${sizes.hidden}`,
    list: async () => ['config.json', 'model.safetensors'],
    open: async (name) =>
      name === 'config.json' ? bufferSource(name, configBytes) : weights(header, tensors, fill),
  };
  return { sizes, config, tensors, fill, folder };
}

/** The text of a token past the special ones and the bytes: one character of plane 2, which no
 *  tokenizer joins with its neighbours. */
export function pieceText(id: number): string {
  return String.fromCodePoint(0x20000 + id);
}

/** The text of config.json. */
export function syntheticConfig(sizes: SyntheticSizes): string {
  const isRope = sizes.positions === 'rope';
  return JSON.stringify({
    architectures: [isRope ? 'BaiChuanForCausalLM' : 'BaichuanForCausalLM'],
    model_type: 'baichuan',
    vocab_size: sizes.vocabulary,
    hidden_size: sizes.hidden,
    intermediate_size: sizes.intermediate,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    [isRope ? 'max_position_embeddings' : 'model_max_length']: CONTEXT_LENGTH,
    rms_norm_eps: 1e-6,
    hidden_act: 'silu',
    pad_token_id: 0,
    bos_token_id: 1,
    eos_token_id: 2,
    tie_word_embeddings: false,
    torch_dtype: 'bfloat16',
  });
}

function layOut(shapes: ReadonlyMap<string, readonly number[]>): SyntheticTensor[] {
  let byteOffset = 0;
  return [...shapes].map(([name, shape]) => {
    const byteLength = shape.reduce((total, dim) => total * dim, BFLOAT16_BYTES);
    byteOffset += byteLength;
    return { name, shape, byteLength, byteOffset: byteOffset - byteLength };
  });
}

/** The beginning of the safetensors file: its length, JSON, spaces up to a multiple of 8. */
function headerOf(tensors: readonly SyntheticTensor[]): Uint8Array {
  const entries = tensors.map(({ name, shape, byteOffset, byteLength }) => [
    name,
    { dtype: 'BF16', shape, data_offsets: [byteOffset, byteOffset + byteLength] },
  ]);
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const header = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  return header;
}

function weights(
  header: Uint8Array,
  tensors: readonly SyntheticTensor[],
  fill: SyntheticModel['fill'],
): ByteSource {
  const { byteOffset, byteLength } = tensors[tensors.length - 1];
  return {
    name: 'model.safetensors',
    size: header.length + byteOffset + byteLength,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      bytes.set(header.subarray(offset, offset + length));
      const begin = offset - header.length;
      for (const tensor of tensors) {
        const from = Math.max(begin, tensor.byteOffset);
        const to = Math.min(begin + length, tensor.byteOffset + tensor.byteLength);
        if (from >= to) continue;
        fill(tensor, from - tensor.byteOffset, bytes.subarray(from - begin, to - begin));
      }
      return bytes;
    },
    close: async () => {},
  };
}

/** Copies an endless repetition of `block` from its byte `offset` on. */
function repeat(block: Uint8Array, offset: number, target: Uint8Array): void {
  let from = offset % block.length;
  for (let done = 0; done < target.length; from = 0) {
    const piece = block.subarray(from, from + target.length - done);
    target.set(piece, done);
    done += piece.length;
  }
}

/** The block as bfloat16 bytes. The sum of four uniform numbers is close to normal, and its
 *  deviation is √(4/12) of their width. */
function randomBlock(): Uint8Array {
  const bytes = new Uint8Array(BFLOAT16_BYTES * BLOCK_ELEMENTS);
  const values = new Uint16Array(bytes.buffer);
  const [single, bits] = sharedBits();
  const scale = DEVIATION * Math.sqrt(3);
  let state = 0x9e3779b9;
  const uniform = () => {
    // xorshift32 of Marsaglia (2003).
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  for (let i = 0; i < BLOCK_ELEMENTS; i++) {
    single[0] = scale * (uniform() + uniform() + uniform() + uniform() - 2);
    values[i] = bits[0] >>> 16;
  }
  return bytes;
}

function sharedBits(): [Float32Array, Uint32Array] {
  const single = new Float32Array(1);
  return [single, new Uint32Array(single.buffer)];
}

/** FNV-1a over the characters, as a non-negative integer. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  }
  return value >>> 0;
}
