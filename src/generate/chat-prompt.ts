/** Chat prompts of Baichuan-13B-Chat, built from token ids; there is no template text.
 *
 *    [system text] ([user token] [message] [assistant token] [answer])* [assistant token]
 *
 *  A round is a user's message and what follows it up to the next. The newest round is always kept;
 *  older ones are while the history stays within `modelMaxLength - maxNewTokens - system tokens`.
 *  The result is then cut on the left to `modelMaxLength - maxNewTokens` tokens.
 *  Source: baichuan-inc/Baichuan-13B-Chat, modeling_baichuan.py, `_build_chat_input`. */
import { BaichuanError, quote } from '../errors.ts';
import type { EncodeOptions } from '../tokenizer/index.ts';

/** One message of a chat. A system message may only come first. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** The tokens that stand before messages, from `generation_config.json`. */
export interface ChatRoles {
  readonly userTokenId?: number | undefined;
  readonly assistantTokenId?: number | undefined;
}

/** What a chat prompt needs of a tokenizer. */
export interface ChatTokenizer {
  encode(text: string, options: EncodeOptions): number[];
}

export interface ChatPromptOptions {
  readonly tokenizer: ChatTokenizer;
  readonly roles: ChatRoles;
  /** Positions of the model's context. */
  readonly modelMaxLength: number;
  /** Positions to leave free for the answer. */
  readonly maxNewTokens: number;
  /** Let text spell special tokens, those of the roles too: only for text that is trusted.
   *  Default false. */
  readonly allowSpecial?: boolean | undefined;
}

export interface ChatPrompt {
  /** At most `modelMaxLength - maxNewTokens` tokens. */
  readonly promptIds: number[];
  /** Rounds left out, the oldest ones. */
  readonly droppedRounds: number;
  /** Tokens cut on the left of what was kept. */
  readonly cutTokens: number;
}

/** Builds the prompt of a chat, cut to the model's context.
 *  @param messages at least one; they need not alternate
 *  @throws chat-message, generation-config when the model has no role tokens, context-length when
 *    there is no room for a prompt */
export function buildChatPrompt(
  messages: readonly ChatMessage[],
  options: ChatPromptOptions,
): ChatPrompt {
  const roles = expectRoles(options.roles);
  const maxInput = expectRoom(options);
  const { system, rounds } = splitRounds(messages);
  const systemIds = system === null ? [] : encode(system.content, options, roles);
  const maxHistory = maxInput - systemIds.length;

  // From the newest round to the oldest.
  let history: number[] = [];
  let kept = 0;
  for (const round of rounds.toReversed()) {
    const ids = round.flatMap(({ role, content }) => [
      role === 'user' ? roles.userTokenId : roles.assistantTokenId,
      ...encode(content, options, roles),
    ]);
    if (history.length > 0 && history.length + ids.length > maxHistory) break;
    history = [...ids, ...history];
    kept += 1;
    if (history.length >= maxHistory) break;
  }

  const ids = [...systemIds, ...history];
  if (messages.at(-1)?.role !== 'assistant') ids.push(roles.assistantTokenId);
  const cutTokens = Math.max(0, ids.length - maxInput);
  return { promptIds: ids.slice(cutTokens), droppedRounds: rounds.length - kept, cutTokens };
}

/** The system message and the rounds; each round but the first begins with a user's message. */
function splitRounds(messages: readonly ChatMessage[]): {
  system: ChatMessage | null;
  rounds: ChatMessage[][];
} {
  if (messages.length === 0) throw messageError('messages', 'there is no message.', 'Give one.');
  let system: ChatMessage | null = null;
  const rounds: ChatMessage[][] = [];
  for (const [index, message] of messages.entries()) {
    expectMessage(message, index);
    if (message.role === 'system') system = message;
    else if (message.role === 'user' || rounds.length === 0) rounds.push([message]);
    else rounds.at(-1)?.push(message);
  }
  return { system, rounds };
}

function expectMessage({ role, content }: ChatMessage, index: number): void {
  const where = `messages[${index}]`;
  if (!['system', 'user', 'assistant'].includes(role)) {
    const what = `a role is system, user or assistant, but ${quote(String(role))} was given.`;
    throw messageError(`${where}.role`, what, 'Give one of the three.');
  }
  if (role === 'system' && index > 0) {
    const what = 'a system message can only be the first one.';
    throw messageError(`${where}.role`, what, 'Move it to the front, or join the system messages.');
  }
  if (typeof content !== 'string') {
    throw messageError(`${where}.content`, 'the content of a message is a text.', 'Give a string.');
  }
}

/** The ids of a text; without `allowSpecial` none of them is a role token. */
function encode(text: string, options: ChatPromptOptions, roles: Roles): number[] {
  const { tokenizer, allowSpecial = false } = options;
  if (allowSpecial) return tokenizer.encode(text, { allowSpecial });
  const forbiddenIds = [roles.userTokenId, roles.assistantTokenId];
  const ids = tokenizer.encode(text, { allowSpecial, forbiddenIds });
  if (!ids.some((id) => forbiddenIds.includes(id))) return ids;
  throw new BaichuanError('internal-error', {
    where: 'tokenizer.encode',
    what: 'the tokenizer made a role token from text although it was forbidden.',
    fix: 'Give a tokenizer that honours forbiddenIds.',
  });
}

interface Roles {
  readonly userTokenId: number;
  readonly assistantTokenId: number;
}

function expectRoles({ userTokenId, assistantTokenId }: ChatRoles): Roles {
  if (userTokenId !== undefined && assistantTokenId !== undefined) {
    return { userTokenId, assistantTokenId };
  }
  const missing = userTokenId === undefined ? 'user_token_id' : 'assistant_token_id';
  throw new BaichuanError('generation-config', {
    file: 'generation_config.json',
    where: `/${missing}`,
    what: 'a chat needs this field, which says what token stands before a message.',
    fix: 'Load a Chat model with its generation_config.json, or complete text without chat.',
    expected: 'a token id',
    found: 'nothing',
  });
}

function expectRoom({ modelMaxLength, maxNewTokens }: ChatPromptOptions): number {
  const maxInput = modelMaxLength - maxNewTokens;
  if (maxInput >= 1) return maxInput;
  throw new BaichuanError('context-length', {
    where: 'maxNewTokens',
    what:
      `an answer of ${maxNewTokens} tokens leaves no room for the prompt in a context of ` +
      `${modelMaxLength}.`,
    fix: `Lower maxNewTokens below ${modelMaxLength}.`,
    expected: modelMaxLength - 1,
    found: maxNewTokens,
  });
}

function messageError(where: string, what: string, fix: string): BaichuanError {
  return new BaichuanError('chat-message', { where, what, fix });
}
