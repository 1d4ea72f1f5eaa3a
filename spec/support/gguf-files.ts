/** GGUF files laid out by hand for specs, apart from the writer under test: whole, or with any
 *  field damaged. */
import { concatenated, joinBytes, utf8 } from './model-files.ts';

/** Numbers of the value types. */
export const VALUE = {
  ...{ uint8: 0, int8: 1, uint16: 2, int16: 3, uint32: 4, int32: 5, float32: 6, bool: 7 },
  ...{ string: 8, array: 9, uint64: 10, int64: 11, float64: 12 },
};

export function u8(...bytes: number[]): Uint8Array {
  return Uint8Array.from(bytes);
}

export function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

export function f32(value: number): Uint8Array {
  return new Uint8Array(Float32Array.of(value).buffer);
}

export function u64(value: bigint | number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt.asUintN(64, BigInt(value))).buffer);
}

/** A text as the format has it: its length and its bytes. */
export function text(value: string | Uint8Array): Uint8Array {
  const bytes = typeof value === 'string' ? utf8(value) : value;
  return joinBytes(u64(bytes.length), bytes);
}

/** A key with the type and the bytes of its value. */
export interface RawPair {
  key: string | Uint8Array;
  type: number;
  value: Uint8Array;
}

export function pair(key: string, type: keyof typeof VALUE, value: Uint8Array): RawPair {
  return { key, type: VALUE[type], value };
}

export function uint(key: string, value: number): RawPair {
  return pair(key, 'uint32', u32(value));
}

export function string(key: string, value: string): RawPair {
  return pair(key, 'string', text(value));
}

export function bool(key: string, value: boolean): RawPair {
  return pair(key, 'bool', u8(value ? 1 : 0));
}

export function array(key: string, type: keyof typeof VALUE, items: Uint8Array[]): RawPair {
  return pair(key, 'array', joinBytes(u32(VALUE[type]), u64(items.length), ...items));
}

/** An entry of the header; the place is that of the data when it is not given. */
export interface RawTensor {
  name: string | Uint8Array;
  /** Fastest axis first, as the file has it. */
  axes: (number | bigint)[];
  type: number;
  data: Uint8Array;
  axisCount?: number;
  offset?: number | bigint;
}

export interface RawGguf {
  magic?: Uint8Array;
  version?: number;
  pairs: RawPair[];
  tensors: RawTensor[];
  pairCount?: number | bigint;
  tensorCount?: number | bigint;
  alignment?: number;
  /** Bytes behind the last tensor. */
  trailing?: Uint8Array;
}

/** The bytes of a file. */
export function ggufFile(file: RawGguf): Uint8Array {
  const { pairs, tensors, alignment = 32 } = file;
  const padded = (bytes: Uint8Array) =>
    joinBytes(bytes, new Uint8Array((alignment - (bytes.length % alignment)) % alignment));
  const infos: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  let offset = 0;
  tensors.forEach((tensor, index) => {
    const { name, axes, type } = tensor;
    const sizes = axes.map((size) => u64(size));
    infos.push(text(name), u32(tensor.axisCount ?? axes.length), ...sizes);
    infos.push(u32(type), u64(tensor.offset ?? offset));
    const isLast = index === tensors.length - 1;
    data.push(isLast ? tensor.data : padded(tensor.data));
    offset += padded(tensor.data).length;
  });
  const header = joinBytes(
    file.magic ?? utf8('GGUF'),
    u32(file.version ?? 3),
    u64(file.tensorCount ?? tensors.length),
    u64(file.pairCount ?? pairs.length),
    concatenated(pairs.flatMap(({ key, type, value }) => [text(key), u32(type), value])),
    ...infos,
  );
  return joinBytes(padded(header), ...data, file.trailing ?? u8());
}

/** Sizes of the small model: pairwise distinct, layers told apart by their bytes. */
export const SMALL = { layers: 2, heads: 2, C: 8, F: 12, V: 260, context: 40 };

/** Pieces of the small vocabulary: three special ones, all bytes, one of text. */
export const SMALL_PIECES: { piece: string; score: number; type: number }[] = [
  { piece: '<unk>', score: 0, type: 2 },
  { piece: '<s>', score: 0, type: 3 },
  { piece: '</s>', score: 0, type: 3 },
  ...Array.from({ length: 256 }, (_, byte) => ({
    piece: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
    score: 0,
    type: 6,
  })),
  { piece: 'ab', score: -0, type: 1 },
];

/** The keys of a small model, as llama.cpp's converter writes them. */
export function smallPairs(pieces = SMALL_PIECES): RawPair[] {
  return [
    string('general.architecture', 'baichuan'),
    string('general.name', 'small'),
    uint('baichuan.context_length', SMALL.context),
    uint('baichuan.embedding_length', SMALL.C),
    uint('baichuan.block_count', SMALL.layers),
    uint('baichuan.feed_forward_length', SMALL.F),
    uint('baichuan.rope.dimension_count', SMALL.C / SMALL.heads),
    uint('baichuan.attention.head_count', SMALL.heads),
    uint('baichuan.attention.head_count_kv', SMALL.heads),
    pair('baichuan.attention.layer_norm_rms_epsilon', 'float32', f32(1e-6)),
    string('tokenizer.ggml.model', 'llama'),
    ...vocabularyPairs(pieces),
    uint('tokenizer.ggml.bos_token_id', 1),
    uint('tokenizer.ggml.eos_token_id', 2),
    uint('tokenizer.ggml.padding_token_id', 0),
    bool('tokenizer.ggml.add_space_prefix', false),
  ];
}

function vocabularyPairs(pieces: typeof SMALL_PIECES): RawPair[] {
  const texts = pieces.map(({ piece }) => text(piece));
  const scores = pieces.map(({ score }) => f32(score));
  const types = pieces.map(({ type }) => u32(type));
  return [
    array('tokenizer.ggml.tokens', 'string', texts),
    array('tokenizer.ggml.scores', 'float32', scores),
    array('tokenizer.ggml.token_type', 'int32', types),
  ];
}

/** The value of element i of the tensor of a number: all distinct, exact in float32. */
export function smallValue(tensor: number, index: number): number {
  return (tensor + 1) * 4 + index / 4096;
}

/** The tensors of a small model in float32, in the order of llama.cpp. */
export function smallTensors(): RawTensor[] {
  const { C, F, V, layers } = SMALL;
  const names: [string, number[]][] = [['token_embd', [C, V]]];
  for (let layer = 0; layer < layers; layer++) {
    const at = `blk.${layer}`;
    names.push([`${at}.attn_norm`, [C]], [`${at}.attn_q`, [C, C]], [`${at}.attn_k`, [C, C]]);
    names.push([`${at}.attn_v`, [C, C]], [`${at}.attn_output`, [C, C]], [`${at}.ffn_norm`, [C]]);
    names.push([`${at}.ffn_gate`, [C, F]], [`${at}.ffn_up`, [C, F]], [`${at}.ffn_down`, [F, C]]);
  }
  names.push(['output_norm', [C]], ['output', [C, V]]);
  return names.map(([name, axes], tensor) => {
    const length = axes.reduce((total, size) => total * size, 1);
    const values = Float32Array.from({ length }, (_, index) => smallValue(tensor, index));
    return { name: `${name}.weight`, axes, type: 0, data: new Uint8Array(values.buffer) };
  });
}

/** A whole small model of two layers, changed where `edit` says. */
export function smallModel(edit: (file: RawGguf) => void = () => {}): Uint8Array {
  const file: RawGguf = { pairs: smallPairs(), tensors: smallTensors() };
  edit(file);
  return ggufFile(file);
}

/** Puts a pair in the place of the one with its key, or behind the others. */
export function setPair(file: RawGguf, replacement: RawPair): void {
  const index = file.pairs.findIndex(({ key }) => key === replacement.key);
  if (index >= 0) file.pairs[index] = replacement;
  else file.pairs.push(replacement);
}

/** Takes a pair away. */
export function dropPair(file: RawGguf, name: string): void {
  file.pairs = file.pairs.filter(({ key }) => key !== name);
}

/** A tensor of a file by the beginning of its name. */
export function tensorOf(file: RawGguf, name: string): RawTensor {
  const found = file.tensors.find((tensor) => tensor.name === `${name}.weight`);
  if (found === undefined) throw new Error(`no tensor ${name}`);
  return found;
}
