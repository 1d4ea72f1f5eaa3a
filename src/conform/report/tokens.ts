/** The tokens of a prompt as a report spells them. */

/** A prompt, with a spelling for every id. */
export interface SpelledPrompt {
  readonly ids: readonly number[];
  readonly spell: (id: number) => string;
}

/** The spelling of an id in the vocabulary. */
export type IdToPiece = (id: number) => string;

/** Characters of a token that a page shows. */
const MAX_SPELLING = 24;

/** Spells ids by a vocabulary, or as numbers where there is none or it does not have them. */
export function spellPrompt(ids: readonly number[], idToPiece?: IdToPiece): SpelledPrompt {
  return { ids, spell: (id) => spellingOf(id, idToPiece) };
}

function spellingOf(id: number, idToPiece: IdToPiece | undefined): string {
  if (idToPiece === undefined) return `#${id}`;
  let piece: string;
  try {
    piece = idToPiece(id);
  } catch {
    // A trace of another vocabulary: its numbers are all there is.
    return `#${id}`;
  }
  const shown = piece.replaceAll('\n', '⏎').replaceAll('\t', '⇥').replaceAll(' ', '␣');
  const characters = [...shown];
  if (characters.length <= MAX_SPELLING) return shown;
  return `${characters.slice(0, MAX_SPELLING - 1).join('')}…`;
}
