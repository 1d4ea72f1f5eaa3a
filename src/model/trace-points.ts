/** The points of the model that a trace shows, in the order of execution: their names, their axes,
 *  and from which other points each is computed. Names are module paths of the published model,
 *  with `.output` or `.input`; what is no module's output has a name of its own (`….scores`).
 *
 *  Shape letters as everywhere: T tokens, S keys, H heads, D head size, C hidden size,
 *  F intermediate size, V vocabulary. */

/** What stands at a point. */
export type TraceKind =
  | 'inputIds'
  | 'embedding'
  | 'inputNorm'
  | 'wPack'
  | 'queryRotated'
  | 'keyRotated'
  | 'scores'
  | 'probs'
  | 'joined'
  | 'oProj'
  | 'attention'
  | 'postNorm'
  | 'gate'
  | 'up'
  | 'activated'
  | 'gated'
  | 'down'
  | 'mlp'
  | 'layer'
  | 'finalNorm'
  | 'lmHead'
  | 'logits';

export interface TracePoint {
  readonly kind: TraceKind;
  /** Its name within its decoder layer, or the whole name outside of layers. */
  readonly leaf: string;
  /** Letters of its axes. */
  readonly axes: readonly string[];
  /** Whether a forward hook of PyTorch can see it: it is a module's input or output. */
  readonly isModule: boolean;
}

const LAYER = /^model\.layers\.(\d{1,6})\.(.+)$/;

function point(kind: TraceKind, leaf: string, axes: string, isModule = true): TracePoint {
  return { kind, leaf, axes: axes.split(' '), isModule };
}

const FIRST = [
  point('inputIds', 'input_ids', 'T', false),
  point('embedding', 'model.embed_tokens.output', 'T C'),
];

const LAYER_POINTS = [
  point('inputNorm', 'input_layernorm.output', 'T C'),
  point('wPack', 'self_attn.W_pack.output', 'T 3C'),
  point('queryRotated', 'self_attn.query_rotated', 'H T D', false),
  point('keyRotated', 'self_attn.key_rotated', 'H T D', false),
  point('scores', 'self_attn.scores', 'H T S', false),
  point('probs', 'self_attn.probs', 'H T S', false),
  point('joined', 'self_attn.o_proj.input', 'T C'),
  point('oProj', 'self_attn.o_proj.output', 'T C'),
  point('attention', 'self_attn.output', 'T C'),
  point('postNorm', 'post_attention_layernorm.output', 'T C'),
  point('gate', 'mlp.gate_proj.output', 'T F'),
  point('up', 'mlp.up_proj.output', 'T F'),
  point('activated', 'mlp.act_fn.output', 'T F'),
  point('gated', 'mlp.down_proj.input', 'T F'),
  point('down', 'mlp.down_proj.output', 'T C'),
  point('mlp', 'mlp.output', 'T C'),
  point('layer', 'output', 'T C'),
];

const LAST = [
  point('finalNorm', 'model.norm.output', 'T C'),
  point('lmHead', 'lm_head.output', 'T V'),
  point('logits', 'logits', 'T V'),
];

const ALL = [...FIRST, ...LAYER_POINTS, ...LAST];
const BY_KIND = new Map(ALL.map((entry, order) => [entry.kind, { ...entry, order }]));
const BY_LEAF = new Map(ALL.map((entry) => [entry.leaf, entry]));
const LAYER_KINDS = new Set(LAYER_POINTS.map(({ kind }) => kind));

/** A point of one layer, or outside of layers with `layer` 0. */
export interface TracePlace {
  readonly kind: TraceKind;
  readonly layer: number;
}

/** The name of a point. @param layer 0 … L − 1, for points of a decoder layer */
export function traceName(kind: TraceKind, layer = 0): string {
  const { leaf } = tracePoint(kind);
  return LAYER_KINDS.has(kind) ? `model.layers.${layer}.${leaf}` : leaf;
}

/** What a point is. */
export function tracePoint(kind: TraceKind): TracePoint & { readonly order: number } {
  return BY_KIND.get(kind) as TracePoint & { readonly order: number };
}

/** The point that a name means, or undefined for a name that the model does not have. */
export function tracePlace(name: string): TracePlace | undefined {
  const [, layer, leaf] = LAYER.exec(name) ?? [];
  const found = BY_LEAF.get(leaf ?? name);
  if (found === undefined || LAYER_KINDS.has(found.kind) !== (leaf !== undefined)) return undefined;
  return { kind: found.kind, layer: Number(layer ?? 0) };
}

/** The points of one decoder layer, in the order of execution. */
export const LAYER_TRACE_KINDS: readonly TraceKind[] = LAYER_POINTS.map(({ kind }) => kind);

/** Sorts by execution: negative when `a` is computed before `b`. */
export function compareTracePlaces(a: TracePlace, b: TracePlace): number {
  const [first, second] = [tracePoint(a.kind).order, tracePoint(b.kind).order];
  if (LAYER_KINDS.has(a.kind) && LAYER_KINDS.has(b.kind) && a.layer !== b.layer) {
    return a.layer - b.layer;
  }
  return first - second;
}

/** From which points a point is computed directly.
 *  @param position how the model knows positions, which decides what the scores are made of
 *  @param layers of the model, the last of which the final norm reads; unknown by default */
export function traceInputs(
  { kind, layer }: TracePlace,
  position: 'rope' | 'alibi',
  layers = 0,
): TracePlace[] {
  const here = (...kinds: TraceKind[]) => kinds.map((input) => ({ kind: input, layer }));
  const before: TracePlace =
    layer === 0 ? { kind: 'embedding', layer: 0 } : { kind: 'layer', layer: layer - 1 };
  const inputs: Partial<Record<TraceKind, TracePlace[]>> = {
    inputNorm: [before],
    wPack: here('inputNorm'),
    queryRotated: here('wPack'),
    keyRotated: here('wPack'),
    scores: position === 'rope' ? here('queryRotated', 'keyRotated') : here('wPack'),
    probs: here('scores'),
    joined: here('probs', 'wPack'),
    oProj: here('joined'),
    attention: here('oProj'),
    postNorm: [before, ...here('attention')],
    gate: here('postNorm'),
    up: here('postNorm'),
    activated: here('gate'),
    gated: here('activated', 'up'),
    down: here('gated'),
    mlp: here('down'),
    layer: [before, ...here('attention', 'mlp')],
    finalNorm: layers === 0 ? [] : [{ kind: 'layer', layer: layers - 1 }],
    lmHead: [{ kind: 'finalNorm', layer: 0 }],
    logits: [{ kind: 'lmHead', layer: 0 }],
  };
  return inputs[kind] ?? [];
}
