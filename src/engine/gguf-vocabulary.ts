/** The vocabulary of a `tokenizer.model` as a GGUF file holds it. */

import { type GgufVocabulary, PIECE_TYPE } from '../formats/gguf/baichuan-metadata.ts';
import { type ModelProto, readModelProto } from '../tokenizer/model-proto.ts';

/** Pieces, types, scores and settings, with nothing left out that changes ids.
 *  @param model the bytes of tokenizer.model @param file for messages
 *  @throws protobuf-wire, tokenizer-… */
export function readGgufVocabulary(model: Uint8Array, file?: string): GgufVocabulary {
  const proto = readModelProto(model, file);
  const { pieces, addDummyPrefix, removeExtraWhitespaces } = proto;
  const types = pieces.types.slice(0, pieces.count);
  const unkId = types.indexOf(PIECE_TYPE.unknown);
  return {
    pieces: { ...pieces, types, scores: pieces.scores.slice(0, pieces.count) },
    bosId: idOf(proto, proto.bosId, proto.bosPiece),
    eosId: idOf(proto, proto.eosId, proto.eosPiece),
    padId: idOf(proto, proto.padId, proto.padPiece),
    unkId: unkId < 0 ? undefined : unkId,
    addDummyPrefix,
    removeExtraWhitespaces,
  };
}

/** A special piece is found by its spelling, as SentencePiece does it; an id below 0 says that the
 *  vocabulary has none. */
function idOf({ pieces }: ModelProto, id: number, spelling: string): number | undefined {
  if (id < 0) return undefined;
  const decoder = new TextDecoder();
  for (let i = 0; i < pieces.count; i++) {
    const bytes = pieces.bytes.subarray(pieces.starts[i], pieces.ends[i]);
    if (bytes.length <= 4 * spelling.length && decoder.decode(bytes) === spelling) return i;
  }
  return undefined;
}
