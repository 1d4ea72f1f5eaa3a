/** Stop strings over a stream of text, wherever token borders fall.
 *
 *  The stop string that is complete first ends the text; of several that are complete at the same
 *  place, the one that began first. So the result does not depend on how the text is cut. Text that
 *  may be the beginning of a stop string is held back until it is known not to be. */

/** What of the text can be shown, and which stop string was found. */
export interface StopResult {
  text: string;
  stopString: string | null;
}

/** Looks for stop strings in pieces of text. */
export interface StopMatcher {
  /** Takes the next text; after a match it gives no more. */
  push(text: string): StopResult;
  /** Gives what is held back, at the end of the text. */
  finish(): string;
}

/** Starts looking for stop strings.
 *  @param stopStrings none of them empty; when there are none, text passes through */
export function makeStopMatcher(stopStrings: readonly string[]): StopMatcher {
  let held = '';
  let stopped = false;

  function push(text: string): StopResult {
    if (stopped) return { text: '', stopString: null };
    const buffer = held + text;
    const match = firstMatch(buffer, stopStrings);
    if (match !== null) {
      stopped = true;
      held = '';
      return { text: buffer.slice(0, match.start), stopString: match.stopString };
    }
    const heldLength = longestBeginning(buffer, stopStrings);
    held = buffer.slice(buffer.length - heldLength);
    return { text: buffer.slice(0, buffer.length - heldLength), stopString: null };
  }

  function finish(): string {
    const rest = held;
    held = '';
    return rest;
  }

  return { push, finish };
}

/** The match that ends first; of those, the one that begins first. */
function firstMatch(
  text: string,
  stopStrings: readonly string[],
): { start: number; stopString: string } | null {
  let best: { start: number; stopString: string } | null = null;
  for (const stopString of stopStrings) {
    const start = text.indexOf(stopString);
    if (start < 0) continue;
    const end = start + stopString.length;
    const bestEnd = best === null ? Number.POSITIVE_INFINITY : best.start + best.stopString.length;
    if (end < bestEnd || (end === bestEnd && best !== null && start < best.start)) {
      best = { start, stopString };
    }
  }
  return best;
}

/** Length of the longest end of `text` with which some stop string begins. */
function longestBeginning(text: string, stopStrings: readonly string[]): number {
  let longest = 0;
  for (const stopString of stopStrings) {
    for (let length = Math.min(stopString.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stopString.slice(0, length))) longest = length;
    }
  }
  return longest;
}
