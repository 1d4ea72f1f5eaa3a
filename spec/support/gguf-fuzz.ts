/** A structure-aware fuzz of GGUF: a valid small model, then up to three edits of one field, record
 *  or byte. Whatever comes out either opens, with tensors that can be read, or is refused by a
 *  `BaichuanError`. Specs run thousands of cases; a longer campaign calls `fuzzGguf` itself. */
import fc from 'fast-check';
import { BaichuanError } from '../../src/errors.ts';
import { bufferSource } from '../../src/formats/byte-source.ts';
import { openGguf } from '../../src/formats/gguf/open.ts';
import { tokenizerFromPieces } from '../../src/tokenizer/index.ts';
import { ggufFile, type RawGguf, smallPairs, smallTensors, u64 } from './gguf-files.ts';
import { joinBytes } from './model-files.ts';

const PAIRS = smallPairs();
const TENSORS = smallTensors();

/** Numbers at which readers break. */
const EDGES = [
  ...[0n, 1n, 2n, 31n, 32n, 33n, 64n, 255n, 256n, 2n ** 16n],
  ...[2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 32n + 1n],
  ...[2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n],
];

type Edit = { kind: string; at: number; edge: bigint; byte: number };

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.oneof(
    { weight: 35, arbitrary: fc.constantFrom('count', 'axis', 'offset', 'length', 'value') },
    { weight: 15, arbitrary: fc.constantFrom('cut', 'extend') },
    { weight: 15, arbitrary: fc.constantFrom('drop', 'double', 'swap') },
    { weight: 15, arbitrary: fc.constantFrom('type', 'ggml-type', 'version') },
    { weight: 10, arbitrary: fc.constantFrom('name', 'text') },
    { weight: 10, arbitrary: fc.constantFrom('bit', 'byte') },
  ),
  at: fc.nat(2 ** 30),
  edge: fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: 0n, max: 400n })),
  byte: fc.nat(255),
});

/** Damages the structure; what is done to bytes comes after. */
function editStructure(file: RawGguf, { kind, at, edge, byte }: Edit): void {
  const { pairs, tensors } = file;
  const pair = pairs[at % pairs.length];
  const tensor = tensors[at % tensors.length];
  const set = at % 2 === 0;
  const number = Number(BigInt.asUintN(32, edge));
  if (kind === 'count') Object.assign(file, set ? { pairCount: edge } : { tensorCount: edge });
  else if (kind === 'axis') tensor.axes[byte % tensor.axes.length] = edge;
  else if (kind === 'offset') tensor.offset = edge;
  else if (kind === 'value') pair.value = u64(edge).slice(0, Math.min(8, pair.value.length));
  else if (kind === 'length') {
    const start = pair.type === 9 ? 4 : 0;
    const changed = Uint8Array.from(pair.value);
    if (changed.length >= start + 8) changed.set(u64(edge), start);
    pair.value = changed;
  } else if (kind === 'drop')
    (set ? pairs : tensors).splice(at % (set ? pairs : tensors).length, 1);
  else if (kind === 'double') {
    if (set) pairs.push(pair);
    else tensors.push(tensor);
  } else if (kind === 'swap') (set ? pairs : tensors).reverse();
  else if (kind === 'type') pair.type = set ? byte % 14 : number;
  else if (kind === 'ggml-type') tensor.type = set ? byte % 41 : number;
  else if (kind === 'version') file.version = number;
  else if (kind === 'name')
    tensor.name = Uint8Array.from({ length: byte }, (_, i) => (at + i) % 256);
  else if (kind === 'text') pair.key = Uint8Array.from({ length: byte % 40 }, (_, i) => at + i);
}

function editBytes(bytes: Uint8Array, { kind, at, byte }: Edit): Uint8Array {
  const place = bytes.length === 0 ? 0 : at % bytes.length;
  if (kind === 'cut') return bytes.slice(0, place);
  if (kind === 'extend') return joinBytes(bytes, new Uint8Array(byte).fill(at));
  if (kind !== 'bit' && kind !== 'byte') return bytes;
  const changed = Uint8Array.from(bytes);
  changed[place] = kind === 'bit' ? changed[place] ^ (1 << (byte % 8)) : byte;
  return changed;
}

/** The bytes of a damaged model. */
export const damagedGguf: fc.Arbitrary<Uint8Array> = fc
  .array(edit, { minLength: 1, maxLength: 3 })
  .map((edits) => {
    const file: RawGguf = {
      pairs: PAIRS.map((pair) => ({ ...pair })),
      tensors: TENSORS.map((tensor) => ({ ...tensor, axes: [...tensor.axes] })),
    };
    for (const one of edits)
      if (file.pairs.length > 0 && file.tensors.length > 0) {
        editStructure(file, one);
      }
    return edits.reduce(editBytes, ggufFile(file));
  });

/** What became of a file: the code of its refusal, or `opened`.
 *  @throws when anything but a `BaichuanError` comes out */
export async function outcomeOf(bytes: Uint8Array): Promise<string> {
  try {
    const { checkpoint, vocabulary } = await openGguf([bufferSource('fuzzed.gguf', bytes)]);
    for (const { byteLength, read } of checkpoint.tensors.values()) {
      const part = await read(byteLength - Math.min(100, byteLength), Math.min(100, byteLength));
      if (part.length !== Math.min(100, byteLength)) throw new Error('a short read');
    }
    if (vocabulary !== undefined) tokenizerFromPieces(vocabulary);
    return 'opened';
  } catch (error) {
    if (error instanceof BaichuanError) return error.code;
    throw error;
  }
}

/** Runs a campaign.
 *  @returns how often each outcome came */
export async function fuzzGguf(seed: number, numRuns: number): Promise<Map<string, number>> {
  const outcomes = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(damagedGguf, async (bytes) => {
      const outcome = await outcomeOf(bytes);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }),
    { seed, numRuns },
  );
  return outcomes;
}
