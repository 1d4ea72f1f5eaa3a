/** Every file that is one step away from a valid one, under the invariants of a fuzzer. */
import * as assert from 'uvu/assert';
import { emptyTally, expectInvariants, type FuzzTarget, type Tally } from './target.ts';

/** Opens every shorter file.
 *  @param visit is given those that are accepted all the same */
export async function everyTruncation(
  target: FuzzTarget,
  bytes: Uint8Array,
  visit: (length: number) => void,
): Promise<Tally> {
  const tally = emptyTally();
  for (let length = 0; length < bytes.length; length++) {
    const { accepted } = tally;
    await expectCase(target, bytes.slice(0, length), tally, `${length} of ${bytes.length} bytes`);
    if (tally.accepted > accepted) visit(length);
  }
  return tally;
}

/** Opens the file with each of its bits flipped, from the first byte to `end`.
 *  @param visit is given those that are accepted all the same */
export async function everyFlip(
  target: FuzzTarget,
  bytes: Uint8Array,
  visit: (bit: number, flipped: Uint8Array) => void = () => {},
  end = bytes.length,
): Promise<Tally> {
  const tally = emptyTally();
  for (let bit = 0; bit < 8 * end; bit++) {
    const flipped = Uint8Array.from(bytes);
    flipped[Math.floor(bit / 8)] ^= 2 ** (bit % 8);
    const { accepted } = tally;
    await expectCase(target, flipped, tally, `bit ${bit}`);
    if (tally.accepted > accepted) visit(bit, flipped);
  }
  return tally;
}

/** @throws with the place of the change before what was found */
async function expectCase(target: FuzzTarget, bytes: Uint8Array, tally: Tally, place: string) {
  try {
    await expectInvariants(target, bytes, tally);
  } catch (error) {
    throw new Error(`${target.name}, ${place}: ${error}`, { cause: error });
  }
}

/** A valid file must open before it is worth damaging. */
export async function expectAccepted(target: FuzzTarget, bytes: Uint8Array): Promise<void> {
  const tally = emptyTally();
  await expectInvariants(target, bytes, tally);
  assert.is(tally.accepted, 1, `${target.name} refuses with ${[...tally.refused.keys()]}`);
}
