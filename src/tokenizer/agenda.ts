/** The merges still to do, best first.
 *
 *  SentencePiece takes the merge with the highest score, and of equal ones the leftmost. Both go
 *  into one number, `rank · 2³¹ + position`, which a float64 holds exactly, so that the smallest
 *  number is the next merge.
 *
 *  Merges of one rank are mostly found from left to right. So entries of a rank are chained into
 *  runs as long as their positions rise, and the heap holds the first of each run only: it stays
 *  small, and a text of one repeated character takes linear time. At worst, every run has one entry
 *  and this is a plain heap, O(n log n).
 *
 *      heap     (rank 3, position 0)      (rank 7, position 2)
 *                        ↓ follower                ↓
 *               (rank 3, position 4)      (rank 7, position 9)   ← tails[7] */

export interface Agenda {
  /** `rank · 2³¹ + position` by entry. */
  keys: Float64Array;
  /** The next entry of the run, or of the free entries, or `NONE`, by entry. */
  followers: Int32Array;
  /** Number of entries in use or free. */
  entryCount: number;
  /** The first of the entries that were taken out and may be used again, or `NONE`. */
  firstFree: number;
  /** The first entry of each run; no parent has a larger key than its two children. */
  heap: Int32Array;
  heapSize: number;
  /** The last entry of the newest run, or `NONE`, by rank; all `NONE` when the agenda is empty. */
  tails: Int32Array;
}

const POSITION_SPAN = 2 ** 31;
const NONE = -1;
const FIRST_CAPACITY = 64;

/** The last entry of every rank: none yet.
 *  @param rankCount ranks are 0 … rankCount − 1 */
export function makeTails(rankCount: number): Int32Array {
  return new Int32Array(rankCount).fill(NONE);
}

/** An agenda without entries.
 *  @param tails from `makeTails`; one agenda at a time may use them */
export function makeAgenda(tails: Int32Array): Agenda {
  return {
    keys: new Float64Array(FIRST_CAPACITY),
    followers: new Int32Array(FIRST_CAPACITY),
    entryCount: 0,
    firstFree: NONE,
    heap: new Int32Array(FIRST_CAPACITY),
    heapSize: 0,
    tails,
  };
}

/** The rank of a key, rank · 2³¹ + position. */
export function rankOf(key: number): number {
  return Math.floor(key / POSITION_SPAN);
}

/** The position of a key, rank · 2³¹ + position. */
export function positionOf(key: number): number {
  return key - rankOf(key) * POSITION_SPAN;
}

/** Enters a merge: `position` under 2³¹. */
export function push(agenda: Agenda, rank: number, position: number): void {
  const entry = newEntry(agenda);
  const { keys, followers, tails } = agenda;
  keys[entry] = rank * POSITION_SPAN + position;
  followers[entry] = NONE;
  const tail = tails[rank];
  tails[rank] = entry;
  if (tail !== NONE && keys[tail] <= keys[entry]) followers[tail] = entry;
  else addRun(agenda, entry);
}

/** Takes the smallest key out; there must be one (`heapSize` above 0). */
export function pop(agenda: Agenda): number {
  const { keys, followers, heap, tails } = agenda;
  const entry = heap[0];
  const rank = rankOf(keys[entry]);
  if (tails[rank] === entry) tails[rank] = NONE;
  let first = followers[entry];
  if (first === NONE) {
    agenda.heapSize--;
    first = heap[agenda.heapSize];
  }
  if (agenda.heapSize > 0) sinkFromRoot(agenda, first);
  followers[entry] = agenda.firstFree;
  agenda.firstFree = entry;
  return keys[entry];
}

function newEntry(agenda: Agenda): number {
  const free = agenda.firstFree;
  if (free !== NONE) {
    agenda.firstFree = agenda.followers[free];
    return free;
  }
  if (agenda.entryCount === agenda.keys.length) growCapacity(agenda);
  agenda.entryCount++;
  return agenda.entryCount - 1;
}

function addRun(agenda: Agenda, entry: number): void {
  const { keys, heap } = agenda;
  let at = agenda.heapSize;
  agenda.heapSize++;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (keys[heap[parent]] <= keys[entry]) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = entry;
}

function sinkFromRoot(agenda: Agenda, entry: number): void {
  const { keys, heap, heapSize } = agenda;
  const key = keys[entry];
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heapSize) break;
    if (child + 1 < heapSize && keys[heap[child + 1]] < keys[heap[child]]) child++;
    if (keys[heap[child]] >= key) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = entry;
}

function growCapacity(agenda: Agenda): void {
  const capacity = 2 * agenda.keys.length;
  const { keys, followers, heap } = agenda;
  agenda.keys = new Float64Array(capacity);
  agenda.followers = new Int32Array(capacity);
  agenda.heap = new Int32Array(capacity);
  agenda.keys.set(keys);
  agenda.followers.set(followers);
  agenda.heap.set(heap);
}
