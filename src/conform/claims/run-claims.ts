/** A whole run: every request to the backend and to the model, a verdict per case and per claim. */

import { BaichuanError, quote } from '../../errors.ts';
import type { ArithmeticClass } from '../../verify/bars.ts';
import {
  compareDistribution,
  type Distribution,
  type DistributionVerdict,
} from '../../verify/distribution.ts';
import type { BackendComparison } from '../compare-backends.ts';
import {
  type CaseVerdict,
  CLAIMS,
  type ClaimName,
  type ClaimVerdict,
  type ComparedTrace,
  type ConformBackend,
  type ConformReference,
  type ConformReport,
  type ConformRequests,
  type PrefillRequest,
} from './claim.ts';
import { type Answer, type Attempt, createAttempt } from './late-errors.ts';
import { compareAnswers } from './repeats.ts';

export interface ConformOptions {
  readonly class: ArithmeticClass;
  /** Claims that the caller named: one that cannot be tested fails. */
  readonly named?: readonly ClaimName[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told before every request. */
  readonly onRequest?: ((claim: ClaimName, id: string) => void) | undefined;
  /** Told after every comparison of traces; both are closed when it is done. */
  readonly onCompared?: ((compared: ComparedTrace) => Promise<void>) | undefined;
}

interface Run extends ConformOptions {
  readonly backend: ConformBackend;
  readonly reference: ConformReference;
  readonly attempt: Attempt;
}

/** Asks everything. A fault of the backend's answers is a finding; a backend that cannot be asked,
 *  or whose first answer is an error already, is an error.
 *  @throws aborted, server-…, backend-…, trace-…, io-… */
export async function runClaims(
  requests: ConformRequests,
  backend: ConformBackend,
  reference: ConformReference & { readonly model: string },
  options: ConformOptions,
): Promise<ConformReport> {
  const run: Run = { ...options, backend, reference, attempt: createAttempt() };
  const claims: ClaimVerdict[] = [];
  const isNamed = (claim: ClaimName) => options.named?.includes(claim) ?? false;
  for (const claim of CLAIMS) {
    const cases = await casesOf(claim, requests, run);
    if (cases !== undefined) claims.push(conclude(claim, cases, run));
    else if (isNamed(claim)) claims.push({ claim, ...NOT_ASKED });
  }
  const failed = claims.some(
    ({ claim, status }) => status === 'fail' || (status === 'not-tested' && isNamed(claim)),
  );
  const pass = !failed && claims.some(({ status }) => status === 'pass');
  return { pass, backend: backend.name, model: reference.model, class: options.class, claims };
}

/** What was named, but has no cases. */
const NOT_ASKED: Omit<ClaimVerdict, 'claim'> = {
  status: 'not-tested',
  detail: 'the model or the requests have nothing to ask about it',
  cases: [],
};

/** The verdicts of a claim; undefined where nothing was asked about it. */
async function casesOf(claim: ClaimName, requests: ConformRequests, run: Run) {
  if (claim === 'tokenizer') {
    return idCases(claim, requests.texts, run, {
      expected: ({ text }) => run.reference.encode(text),
      found: (request) => run.backend.encode(request),
    });
  }
  if (claim === 'chat') {
    return idCases(claim, requests.chats, run, {
      expected: ({ messages }) => run.reference.chat(messages),
      found: (request) => run.backend.chat(request),
    });
  }
  const prefills = requests.prefills.filter((request) => request.claim === claim);
  if (prefills.length === 0) return undefined;
  if (claim === 'determinism') return repeatCases(prefills, run);
  const judge = claim === 'layers' ? judgeTrace : judgeScores;
  const cases: CaseVerdict[] = [];
  for (const request of prefills) {
    begin(run, claim, request.id);
    cases.push(await judge(request, run));
  }
  return cases;
}

function begin({ signal, onRequest }: Run, claim: ClaimName, id: string): void {
  onRequest?.(claim, id);
  if (signal?.aborted !== true) return;
  throw new BaichuanError('aborted', {
    where: `${claim} ${id}`,
    what: 'The run was interrupted.',
    fix: 'Run it again, with --claims to ask less.',
  });
}

type Ids = readonly number[] | undefined;

async function idCases<Request extends { readonly id: string }>(
  claim: ClaimName,
  requests: readonly Request[],
  run: Run,
  ask: { expected(request: Request): Promise<Ids>; found(request: Request): Promise<Ids> },
): Promise<CaseVerdict[] | undefined> {
  const cases: CaseVerdict[] = [];
  for (const request of requests) {
    begin(run, claim, request.id);
    const expected = await ask.expected(request);
    if (expected === undefined) return undefined;
    const found = await run.attempt(() => ask.found(request));
    cases.push(
      found.error ? broken(request.id, found.error) : judgeIds(request.id, expected, found.value),
    );
  }
  return requests.length === 0 ? undefined : cases;
}

function judgeIds(id: string, expected: readonly number[], found: Ids): CaseVerdict {
  if (found === undefined) return missing(id);
  const at = expected.findIndex((value, index) => value !== found[index]);
  if (at < 0 && found.length === expected.length) {
    return { id, status: 'pass', detail: `${expected.length} ids` };
  }
  const place = at < 0 ? expected.length : at;
  const here = (ids: readonly number[]) => ids[place] ?? 'the end';
  const parted = `id ${place}: expected ${here(expected)}, found ${here(found)}`;
  const detail = `${parted}${hintOf(expected, found)}`;
  return { id, status: 'fail', detail };
}

/** What the same ids with others in front of them mean. */
function hintOf(expected: readonly number[], found: readonly number[]): string {
  const added = found.length - expected.length;
  if (added <= 0 || added > 2) return '';
  if (found.slice(added).join() !== expected.join()) return '';
  return `; ${found.slice(0, added).join(', ')} stands in front, which this family does not add`;
}

function broken(id: string, error: BaichuanError): CaseVerdict {
  return { id, status: 'fail', detail: error.message };
}

function missing(id: string): CaseVerdict {
  return { id, status: 'missing', detail: 'no answer' };
}

async function judgeTrace(request: PrefillRequest, run: Run): Promise<CaseVerdict> {
  const { id } = request;
  const { value: found, error } = await run.attempt(() => run.backend.trace(request));
  if (error !== undefined) return broken(id, error);
  if (found === undefined) return missing(id);
  try {
    const expected = await run.reference.trace(request);
    // What was recorded may be of another model or prompt, or end too early.
    const compared = await run.attempt(() => run.reference.compare(expected, found, run.class));
    if (compared.error !== undefined) return broken(id, compared.error);
    const { value: comparison } = compared;
    await run.onCompared?.({ id, expected, found, comparison });
    const status = comparison.pass ? 'pass' : 'fail';
    return { id, status, detail: summaryOf(comparison), comparison };
  } finally {
    await found.close();
  }
}

function summaryOf({ pass, tensors, first, diagnosis }: BackendComparison): string {
  if (pass) return `${tensors.length} tensors within their bars`;
  const isAbsent = tensors.some((one) => one.name === first?.name && one.status === 'missing');
  if (isAbsent) return `${first?.name} was not recorded`;
  const named = diagnosis.slice(0, 1).map(({ name }) => `, looks like ${name}`);
  return `parts at ${first?.name}${named.join('')}`;
}

async function judgeScores(request: PrefillRequest, run: Run): Promise<CaseVerdict> {
  const { id, claim, ids, positions } = request;
  const { value: found, error } = await run.attempt(() => run.backend.next(request));
  if (error !== undefined) return broken(id, error);
  if (found === undefined) return missing(id);
  const expected = await run.reference.next(request);
  const bar = run.reference.bar(ids.length, run.class);
  const verdicts = positions.map((_, i) => compareDistribution(expected[i], found[i], bar));
  const isRight = ({ pass, choiceAgrees }: DistributionVerdict) =>
    claim === 'generation' ? choiceAgrees : pass;
  const first = verdicts.findIndex((verdict) => !isRight(verdict));
  const worst = verdicts.reduce((a, b) =>
    b.difference / b.allowed > a.difference / a.allowed ? b : a,
  );
  const numbers = { difference: worst.difference, allowed: worst.allowed };
  if (first < 0) {
    const ties = verdicts.filter(({ isTie }) => isTie).length;
    const agreed = `${positions.length} of ${positions.length} tokens`;
    const detail = claim === 'generation' ? `${agreed}, ${ties} ties` : describe(worst);
    return { id, status: 'pass', detail, ...numbers };
  }
  const { [first]: fault } = verdicts;
  const at = `after position ${positions[first]}`;
  return { id, status: 'fail', detail: `${at}: ${describe(fault)}`, ...numbers };
}

function describe(verdict: DistributionVerdict): string {
  const { difference, allowed, token, expected, found, choiceAgrees, expectedTop, foundTop } =
    verdict;
  const told = foundTop < 0 ? 'none: its scores are NaN, or none is above −∞' : foundTop;
  if (!choiceAgrees) return `expected token ${expectedTop}, found ${told}`;
  const off = `off by ${scientific(difference)} of ${scientific(allowed)}`;
  if (difference <= allowed) return off;
  return `${off}; token ${token}: expected ${expected.toFixed(5)}, found ${found.toFixed(5)}`;
}

function scientific(x: number): string {
  return Number.isFinite(x) ? x.toExponential(1) : String(x);
}

async function repeatCases(prefills: readonly PrefillRequest[], run: Run): Promise<CaseVerdict[]> {
  const answers: Answer<readonly Distribution[] | undefined>[] = [];
  for (const request of prefills) {
    begin(run, 'determinism', request.id);
    answers.push(await run.attempt(() => run.backend.next(request)));
  }
  const first = answers.find(({ value }) => value !== undefined)?.value;
  return prefills.map(({ id }, index) => {
    const { value: answer, error } = answers[index];
    if (error !== undefined) return broken(id, error);
    if (answer === undefined || first === undefined) return missing(id);
    const difference = compareAnswers(first, answer);
    const detail = difference === 0 ? 'the same bits' : `differs by ${scientific(difference)}`;
    return { id, status: difference === 0 ? 'pass' : 'fail', detail, difference, allowed: 0 };
  });
}

/** The verdict of a claim: what no case was answered of was not tested; some of it is a fault. */
function conclude(claim: ClaimName, cases: readonly CaseVerdict[], { backend }: Run): ClaimVerdict {
  const count = (status: CaseVerdict['status']) =>
    cases.filter((one) => one.status === status).length;
  const [failed, absent] = [count('fail'), count('missing')];
  if (absent === cases.length) {
    return { claim, status: 'not-tested', detail: backend.why(claim), cases };
  }
  if (failed + absent === 0) {
    return { claim, status: 'pass', detail: `${cases.length} of ${cases.length}`, cases };
  }
  const first = cases.find(({ status }) => status !== 'pass');
  const counts = `${cases.length - failed - absent} of ${cases.length}`;
  return {
    claim,
    status: 'fail',
    detail: `${counts}; ${quote(first?.id ?? '')}: ${first?.detail}`,
    cases,
  };
}
