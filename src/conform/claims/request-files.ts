/** Requests as files, for a backend that is asked through a folder:
 *
 *      requests.json     {"format": "baichuan-conform-1", "fingerprint", "vocab_size",
 *                         "texts": [{"id", "text"}],
 *                         "chats": [{"id", "messages": [{"role", "content"}]}],
 *                         "prefills": [{"id", "claim", "ids", "positions", "taps"}]}
 *      answers.json      {"texts": {"ID": [ids]}, "chats": {"ID": [ids]}}       by the backend
 *      traces/ID.safetensors     one prefill each, on an empty cache            by the backend
 *
 *  A trace holds the tensors that `taps` names (`*` all that the backend can record), as `baichuan
 *  compare` takes them. `logits` has a row per token of the prompt, or a row per position asked. */

import { BaichuanError, type ErrorCode } from '../../errors.ts';
import { isJsonNumber, type JsonValue, parseJson } from '../../json.ts';
import {
  fieldError,
  fieldsOf,
  type JsonFields,
  takeArray,
  takeInteger,
  takeObject,
  takeString,
  unexpected,
} from '../../json-fields.ts';
import type {
  ChatRequest,
  ConformRequests,
  PrefillRequest,
  RequestedMessage,
  TextRequest,
} from './claim.ts';

export const REQUESTS_FILE = 'requests.json';
export const ANSWERS_FILE = 'answers.json';
export const TRACES_FOLDER = 'traces';

const FORMAT = 'baichuan-conform-1';

/** Requests of the longest prompts have some 20,000 ids; answers to texts have fewer. */
const MAX_BYTES = 16 * 2 ** 20;

const ROLES = ['system', 'user', 'assistant'] as const;
const PREFILL_CLAIMS = ['layers', 'logits', 'generation', 'determinism'] as const;

/** Which model the requests are for. */
export interface RequestedModel {
  readonly fingerprint: string;
  readonly vocabSize: number;
}

/** The text of requests.json. */
export function requestsToJson(requests: ConformRequests, model: RequestedModel): string {
  const { texts, chats, prefills } = requests;
  const head = { format: FORMAT, fingerprint: model.fingerprint, vocab_size: model.vocabSize };
  return `${JSON.stringify({ ...head, texts, chats, prefills })}\n`;
}

/** Reads requests.json. @throws json-…, conform-requests */
export function parseRequests(
  bytes: Uint8Array,
  file: string,
): { requests: ConformRequests; model: RequestedModel } {
  const root = rootOf(bytes, file, 'conform-requests');
  const format = takeString(root, 'format');
  if (format !== FORMAT) throw unexpected(root, 'format', `"${FORMAT}"`);
  const range = { min: 1, max: 2 ** 31 };
  const vocabSize = takeInteger(root, 'vocab_size', range);
  const model = { fingerprint: takeString(root, 'fingerprint'), vocabSize };
  const requests = {
    texts: listOf(root, 'texts', textOf),
    chats: listOf(root, 'chats', chatOf),
    prefills: listOf(root, 'prefills', (fields) => prefillOf(fields, vocabSize)),
  };
  return { requests, model };
}

function rootOf(bytes: Uint8Array, file: string, code: ErrorCode): JsonFields {
  const place = { file, path: [], code };
  return fieldsOf(parseJson(bytes, { file, maxBytes: MAX_BYTES }), place);
}

function listOf<T>(root: JsonFields, key: string, take: (fields: JsonFields) => T): T[] {
  return takeArray(root, key).map((value, index) =>
    take(fieldsOf(value, { ...root, path: [...root.path, key, index] })),
  );
}

function textOf(fields: JsonFields): TextRequest {
  return { id: idOf(fields), text: takeString(fields, 'text') };
}

function chatOf(fields: JsonFields): ChatRequest {
  return { id: idOf(fields), messages: listOf(fields, 'messages', messageOf) };
}

function messageOf(fields: JsonFields): RequestedMessage {
  return { role: oneOf(fields, 'role', ROLES), content: takeString(fields, 'content') };
}

function prefillOf(fields: JsonFields, vocabSize: number): PrefillRequest {
  const ids = idsOf(fields, 'ids', vocabSize);
  const positions = idsOf(fields, 'positions', ids.length);
  const isAscending = positions.every((position, i) => i === 0 || position > positions[i - 1]);
  if (positions.length === 0 || !isAscending) {
    throw unexpected(fields, 'positions', 'at least one position, in ascending order');
  }
  const taps = takeArray(fields, 'taps').filter((tap) => typeof tap === 'string');
  const claim = oneOf(fields, 'claim', PREFILL_CLAIMS);
  return { id: idOf(fields), claim, ids, positions, taps };
}

/** An id is the name of a file. */
function idOf(fields: JsonFields): string {
  const id = takeString(fields, 'id');
  if (/^[a-z0-9][a-z0-9-]{0,63}$/.test(id)) return id;
  throw unexpected(fields, 'id', 'small letters, digits and hyphens');
}

function oneOf<T extends string>(fields: JsonFields, key: string, names: readonly T[]): T {
  const text = takeString(fields, key);
  const name = names.find((candidate) => candidate === text);
  if (name === undefined) throw unexpected(fields, key, `one of ${names.join(', ')}`);
  return name;
}

/** Whole numbers from 0 to below a limit. */
function idsOf(fields: JsonFields, key: string, limit: number): number[] {
  return takeArray(fields, key).map((value, index) => {
    if (isBelow(value, limit)) return value;
    throw fieldError({ ...fields, path: [...fields.path, key] }, index, {
      what: `whole numbers from 0 to ${limit - 1} are needed here.`,
      fix: 'Emit the requests anew with baichuan conform --emit.',
    });
  });
}

function isBelow(value: JsonValue, limit: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < limit;
}

/** What a backend encoded, by the ids of the requests. */
export interface IdAnswers {
  readonly texts: ReadonlyMap<string, readonly number[]>;
  readonly chats: ReadonlyMap<string, readonly number[]>;
}

export const NO_ANSWERS: IdAnswers = { texts: new Map(), chats: new Map() };

/** Reads answers.json. Both parts may be left out. @throws json-…, conform-answers */
export function parseAnswers(bytes: Uint8Array, file: string): IdAnswers {
  const root = rootOf(bytes, file, 'conform-answers');
  return { texts: idListsOf(root, 'texts'), chats: idListsOf(root, 'chats') };
}

function idListsOf(root: JsonFields, key: string): Map<string, number[]> {
  if (!root.object.has(key)) return new Map();
  const fields = takeObject(root, key);
  return new Map(
    [...fields.object.keys()].map((id) => [
      id,
      takeArray(fields, id).map((value) => {
        if (typeof value === 'number' && Number.isSafeInteger(value) && !isJsonNumber(value)) {
          return value;
        }
        throw new BaichuanError('conform-answers', {
          file: root.file,
          where: `/${key}/${id}`,
          what: 'Token ids are whole numbers.',
          fix: 'Write the list of ids that the backend makes of the request.',
        });
      }),
    ]),
  );
}
