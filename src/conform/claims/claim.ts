/** What a backend claims by calling itself a Baichuan backend, and what is asked of it to see. */

import type { ArithmeticClass } from '../../verify/bars.ts';
import type { Distribution } from '../../verify/distribution.ts';
import type { BackendComparison } from '../compare-backends.ts';
import type { TraceSource } from '../trace-source.ts';

/** In the order in which a fault of one explains those that follow. */
export const CLAIMS = [
  'tokenizer',
  'chat',
  'layers',
  'logits',
  'generation',
  'determinism',
] as const;

export type ClaimName = (typeof CLAIMS)[number];

/** One message of a chat. */
export interface RequestedMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** A text to encode. */
export interface TextRequest {
  readonly id: string;
  readonly text: string;
}

/** A chat whose prompt is to be built, with the answer's first token left to the model. */
export interface ChatRequest {
  readonly id: string;
  readonly messages: readonly RequestedMessage[];
}

/** One prefill of `ids` on an empty cache. */
export interface PrefillRequest {
  readonly id: string;
  readonly claim: 'layers' | 'logits' | 'generation' | 'determinism';
  readonly ids: readonly number[];
  /** Positions after which the scores of the next token are wanted, ascending. */
  readonly positions: readonly number[];
  /** Activations wanted, as `baichuan trace --taps` takes them. */
  readonly taps: readonly string[];
}

/** Everything that is asked of a backend. */
export interface ConformRequests {
  readonly texts: readonly TextRequest[];
  readonly chats: readonly ChatRequest[];
  readonly prefills: readonly PrefillRequest[];
}

/** What a backend answers with; undefined where it has no answer to this. */
export interface ConformBackend {
  /** For the report. */
  readonly name: string;
  encode(request: TextRequest): Promise<readonly number[] | undefined>;
  chat(request: ChatRequest): Promise<readonly number[] | undefined>;
  trace(request: PrefillRequest): Promise<TraceSource | undefined>;
  /** One distribution per position. */
  next(request: PrefillRequest): Promise<readonly Distribution[] | undefined>;
  /** Why it has no answers to a claim. */
  why(claim: ClaimName): string;
  close(): Promise<void>;
}

/** The model that says what is right. */
export interface ConformReference {
  /** Undefined where the model has no tokenizer, or no roles. */
  encode(text: string): Promise<readonly number[] | undefined>;
  chat(messages: readonly RequestedMessage[]): Promise<readonly number[] | undefined>;
  trace(request: PrefillRequest): Promise<TraceSource>;
  /** Scores `[V]` after each position. */
  next(request: PrefillRequest): Promise<readonly Float32Array[]>;
  /** Compares a trace with that of the model. */
  compare(
    expected: TraceSource,
    found: TraceSource,
    arithmetic: ArithmeticClass,
  ): Promise<BackendComparison>;
  /** Allowed difference of a score after `positions` tokens, relative to the largest. */
  bar(positions: number, arithmetic: ArithmeticClass): number;
}

export interface CaseVerdict {
  readonly id: string;
  readonly status: 'pass' | 'fail' | 'missing';
  /** What was found, in a few words. */
  readonly detail: string;
  /** How far it is off and how far it may be, where that is a number. */
  readonly difference?: number | undefined;
  readonly allowed?: number | undefined;
  readonly comparison?: BackendComparison | undefined;
}

/** A trace of a backend beside that of the model, while both are open. */
export interface ComparedTrace {
  /** Of the case. */
  readonly id: string;
  readonly expected: TraceSource;
  readonly found: TraceSource;
  readonly comparison: BackendComparison;
}

export interface ClaimVerdict {
  readonly claim: ClaimName;
  readonly status: 'pass' | 'fail' | 'not-tested';
  /** Why it was not tested, or what the first fault is. */
  readonly detail: string;
  readonly cases: readonly CaseVerdict[];
}

export interface ConformReport {
  readonly pass: boolean;
  readonly backend: string;
  readonly model: string;
  readonly class: ArithmeticClass;
  readonly claims: readonly ClaimVerdict[];
}
