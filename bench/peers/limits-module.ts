/** A WebAssembly module that reads memory and that multiplies, as fast as either goes.
 *
 *    read(begin, end)   xor of all 128-byte lines from begin to end, in eight accumulators
 *    dot(steps)         twelve integer dot products a step, each with an accumulator of its own, so
 *                       that none waits for another
 *
 *  Source of the encoding: WebAssembly 3.0, "Binary Format". */

const [I32, V128] = [0x7f, 0x7b];
const [READERS, DOTTERS] = [8, 12];
const VECTOR_BYTES = 16;

/** Plain instructions. */
const OP = { end: 0x0b, loop: 0x03, branchIf: 0x0d, get: 0x20, set: 0x21, tee: 0x22 } as const;
const I32_OP = { constant: 0x41, lessUnsigned: 0x49, add: 0x6a, subtract: 0x6b } as const;

/** Vector instructions, after the prefix 0xfd. */
const VECTOR = {
  load: 0x00,
  constant: 0x0c,
  splatByte: 0x0f,
  extractInt: 0x1b,
  xor: 0x51,
  addInts: 0xae,
  dotShorts: 0xba,
  relaxedDotAdd: 0x113,
} as const;

const vector = (operation: number, ...rest: number[]) => [0xfd, ...unsigned(operation), ...rest];
const get = (local: number) => [OP.get, local];
const set = (local: number) => [OP.set, local];

/** Makes the module.
 *  @param isRelaxed dots of 16 bytes in one relaxed instruction, or else of 8 shorts, and an add
 *  @param pages of its memory */
export function limitsModule(isRelaxed: boolean, pages: number) {
  const bodies = [readBody(), dotBody(isRelaxed)];
  const types = [
    [0x60, 2, I32, I32, 1, I32],
    [0x60, 1, I32, 1, I32],
  ];
  const bytes = Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(types)),
    ...section(3, list([[0], [1]])),
    ...section(5, list([[0x00, ...unsigned(pages)]])),
    ...section(
      7,
      list([
        [...text('read'), 0x00, 0],
        [...text('dot'), 0x00, 1],
        [...text('memory'), 0x02, 0],
      ]),
    ),
    ...section(10, list(bodies.map((body) => [...unsigned(body.length), ...body]))),
  ]);
  return { bytes, dotsPerStep: DOTTERS * (isRelaxed ? 16 : 8) };
}

/** Locals: 0 begin, 1 end, then the accumulators. */
function readBody(): number[] {
  const accumulators = Array.from({ length: READERS }, (_, index) => 2 + index);
  return [
    ...[1, READERS, V128],
    ...[OP.loop, 0x40],
    ...accumulators.flatMap((local, index) => [
      ...get(0),
      ...vector(VECTOR.load, 4, ...unsigned(index * VECTOR_BYTES)),
      ...get(local),
      ...vector(VECTOR.xor),
      ...set(local),
    ]),
    ...[...get(0), I32_OP.constant, ...signed(READERS * VECTOR_BYTES), I32_OP.add, OP.tee, 0],
    ...[...get(1), I32_OP.lessUnsigned, OP.branchIf, 0, OP.end],
    ...reduce(accumulators),
    OP.end,
  ];
}

/** Locals: 0 steps, 1 and 2 the factors, then the accumulators. */
function dotBody(isRelaxed: boolean): number[] {
  const accumulators = Array.from({ length: DOTTERS }, (_, index) => 3 + index);
  const factor = (value: number) => [I32_OP.constant, value, ...vector(VECTOR.splatByte)];
  const dot = (local: number) =>
    isRelaxed
      ? [...get(local), ...vector(VECTOR.relaxedDotAdd)]
      : [...vector(VECTOR.dotShorts), ...get(local), ...vector(VECTOR.addInts)];
  return [
    ...[1, 2 + DOTTERS, V128],
    ...[...factor(5), ...set(1), ...factor(3), ...set(2)],
    ...[OP.loop, 0x40],
    ...accumulators.flatMap((local) => [...get(1), ...get(2), ...dot(local), ...set(local)]),
    ...[...get(0), I32_OP.constant, 1, I32_OP.subtract, OP.tee, 0, OP.branchIf, 0, OP.end],
    ...reduce(accumulators),
    OP.end,
  ];
}

/** One number of all accumulators, so that none is left out. */
function reduce(accumulators: readonly number[]): number[] {
  const sum = accumulators.flatMap((local, index) =>
    index === 0 ? get(local) : [...get(local), ...vector(VECTOR.xor)],
  );
  return [...sum, ...vector(VECTOR.extractInt, 0)];
}

function section(id: number, content: number[]): number[] {
  return [id, ...unsigned(content.length), ...content];
}

function list(items: readonly (readonly number[])[]): number[] {
  return [...unsigned(items.length), ...items.flat()];
}

function text(name: string): number[] {
  return [name.length, ...new TextEncoder().encode(name)];
}

/** LEB128. */
function unsigned(value: number): number[] {
  const byte = value % 128;
  return value < 128 ? [byte] : [byte + 128, ...unsigned(Math.floor(value / 128))];
}

/** LEB128 of a non-negative number, whose sign bit must be clear. */
function signed(value: number): number[] {
  return value < 64 ? [value] : [(value % 128) + 128, ...signed(Math.floor(value / 128))];
}
