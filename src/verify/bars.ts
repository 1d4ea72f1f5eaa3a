/** How far a correct backend may lie from the reference, relative to a tensor's largest magnitude.
 *
 *  u is the unit roundoff of the arithmetic class, v = 2⁻²⁴ that of float32, in which every class
 *  accumulates:
 *
 *      class    f32      f16      bf16     int8     int4
 *      u        2⁻²⁴     2⁻¹¹     2⁻⁸      2⁻⁸      2⁻⁴       (half a step of 127 or of 8 levels)
 *
 *  *Operation.* When the inputs agree bit for bit, only the rounding of this one operation is left:
 *
 *      copy          0
 *      lookup        0 for f32, else u
 *      weights       4u + (8 + 4√n)·v    n products, added in any order: at most 8v·Σ|ab| for
 *                                        random and 2√n·v·Σ|ab| for equal signs; Σ|ab| is some
 *                                        twice the largest result. int8, int4: 8u, as weights and
 *                                        activations in groups are off by half a step each, and
 *                                        the largest of a group is some 8 times its mean
 *      sum           as weights          of attention, whose factors are activations
 *      elementwise   4u                  one or two roundings an element, as in silu and products
 *      norm          4u + √n·v/2         the sum of n squares, halved by the root
 *      softmax       8u + √n·v + s·v     n exponentials of arguments up to s
 *
 *  Only weights have four bits: whatever else an int4 backend computes from inputs that agree is
 *  held to the u of int8, which its activations and its cache may have.
 *
 *  *Path.* When they do not, the error made before is carried along. Every layer adds that of its
 *  longest sum, independent of the others, so it grows with the root of the depth d (layers before
 *  this one and itself). `spec/conform/roundings.spec.ts` holds correct variants of the model to
 *  it:
 *
 *      path = operation + A · √(1 + d) · (2u + (4 + 2√C)·v)                 A = 2 for f32, else 8
 *
 *  Probabilities carry the error of their scores, scaled by the largest score. Rotary tensors may
 *  differ by position · 2⁻²³ more, as angles are rounded in float32 or not; what is computed from
 *  them by T · 2⁻²². */

export const ARITHMETIC_CLASSES = ['f32', 'f16', 'bf16', 'int8', 'int4'] as const;

export type ArithmeticClass = (typeof ARITHMETIC_CLASSES)[number];

const FLOAT32_ROUNDOFF = 2 ** -24;

const UNIT_ROUNDOFF: Readonly<Record<ArithmeticClass, number>> = {
  f32: FLOAT32_ROUNDOFF,
  f16: 2 ** -11,
  bf16: 2 ** -8,
  int8: 2 ** -8,
  int4: 2 ** -4,
};

/** Angles of a rotary position, per position: one unit in the last place of a float32 angle. */
export const ROTARY_SLACK = 2 ** -23;

/** Whether a text names a class. */
export function isArithmeticClass(text: string): text is ArithmeticClass {
  return ARITHMETIC_CLASSES.some((name) => name === text);
}

function isQuantized(arithmetic: ArithmeticClass): boolean {
  return arithmetic === 'int8' || arithmetic === 'int4';
}

/** What attention and norms make of the error that comes in, beside the root of the depth. In
 *  float32 the bar has room for it: sums are rarely off by all that their length allows. */
function amplificationOf(arithmetic: ArithmeticClass): number {
  return arithmetic === 'f32' ? 2 : 8;
}

/** What kind of rounding an operation makes. */
export type Rounding = 'copy' | 'lookup' | 'weights' | 'sum' | 'elementwise' | 'norm' | 'softmax';

export interface OperationBar {
  readonly rounding: Rounding;
  /** Terms of its sums. */
  readonly length: number;
  /** The largest magnitude of what softmax takes. */
  readonly scoreScale?: number | undefined;
}

/** The NMSE that no tensor may have in any class. Single elements of a tensor in 4 bits may be as
 *  far off as the largest is large, but not most of them: zeros have an NMSE of 1, others of the
 *  same size one of 2, and opposites one of 4, where correct int4 reaches 0.25. */
export const MOST_NMSE = 0.5;

/** The bar of one operation whose inputs agree. */
export function operationBar(
  { rounding, length, scoreScale = 0 }: OperationBar,
  arithmetic: ArithmeticClass,
): number {
  const hasWeights = rounding === 'weights' || rounding === 'lookup';
  const u = UNIT_ROUNDOFF[arithmetic === 'int4' && !hasWeights ? 'int8' : arithmetic];
  const v = FLOAT32_ROUNDOFF;
  const root = Math.sqrt(length);
  if (rounding === 'copy') return 0;
  if (rounding === 'lookup') return arithmetic === 'f32' ? 0 : u;
  if (rounding === 'elementwise') return 4 * u;
  if (rounding === 'norm') return 4 * u + (root * v) / 2;
  if (rounding === 'softmax') return 8 * u + root * v + scoreScale * v;
  return (isQuantized(arithmetic) ? 8 : 4) * u + (8 + 4 * root) * v;
}

export interface PathBar extends OperationBar {
  /** Decoder layers passed, this one included; 0 before the first. */
  readonly depth: number;
  readonly hiddenSize: number;
  /** Positions of a rotary model, 0 for others. */
  readonly rotaryPositions: number;
}

/** The bar of a tensor with the rounding of everything before it. */
export function pathBar(path: PathBar, arithmetic: ArithmeticClass): number {
  const { depth, hiddenSize, rotaryPositions, rounding, scoreScale = 0 } = path;
  const sums = (4 + 2 * Math.sqrt(hiddenSize)) * FLOAT32_ROUNDOFF;
  const rotary = 2 * rotaryPositions * ROTARY_SLACK;
  const layer = amplificationOf(arithmetic) * (2 * UNIT_ROUNDOFF[arithmetic] + sums);
  const carried = Math.sqrt(1 + depth) * layer + rotary;
  const scale = rounding === 'softmax' ? Math.max(1, scoreScale) : 1;
  // A lookup comes first and a copy adds nothing: neither carries more than its own input.
  if (rounding === 'lookup') return operationBar(path, arithmetic);
  return operationBar(path, arithmetic) + carried * scale;
}
