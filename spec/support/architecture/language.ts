/** What of the language the sources use and say: types, exports, comments, arithmetic, names. */

import ts from 'typescript';
import { atOffset, commentsOf, nodeRule, type Rule } from './source.ts';

/** Functions of Math whose result every engine agrees on, bit for bit, and constants. */
const EXACT_MATH = new Set(
  (
    'abs ceil clz32 floor fround imul max min round sign sqrt trunc ' +
    'E LN10 LN2 LOG10E LOG2E PI SQRT1_2 SQRT2'
  ).split(' '),
);

export const noAny: Rule = nodeRule((node) =>
  node.kind === ts.SyntaxKind.AnyKeyword ? 'the type any' : undefined,
);

export const erasableSyntax: Rule = nodeRule((node) => {
  if (ts.isEnumDeclaration(node)) return 'an enum';
  if (ts.isModuleDeclaration(node)) return 'a namespace';
  if (ts.isDecorator(node)) return 'a decorator';
  if (ts.isImportEqualsDeclaration(node)) return 'import =';
  if (ts.isParameter(node) && ts.isParameterPropertyDeclaration(node, node.parent)) {
    return 'a parameter property';
  }
  return undefined;
});

export const namedExports: Rule = nodeRule((node) => {
  const isDefault =
    ts.isExportAssignment(node) ||
    node.kind === ts.SyntaxKind.DefaultKeyword ||
    (ts.isExportSpecifier(node) && node.name.text === 'default');
  // `default:` of a switch is a clause of its own and no keyword node.
  return isDefault ? 'a default export' : undefined;
});

/** Math is used for what is exact only; powers only as constants, 2 ** 53. */
export const exactMath: Rule = nodeRule((node) => {
  if (ts.isIdentifier(node) && node.text === 'Math') {
    const { parent } = node;
    if (ts.isPropertyAccessExpression(parent) && parent.name === node) return undefined;
    const isExact = ts.isPropertyAccessExpression(parent) && EXACT_MATH.has(parent.name.text);
    return isExact ? undefined : `${parent.getText()} is not the same on every engine`;
  }
  if (!ts.isBinaryExpression(node)) return undefined;
  const { kind } = node.operatorToken;
  if (kind === ts.SyntaxKind.AsteriskAsteriskEqualsToken) return '**= is Math.pow';
  if (kind !== ts.SyntaxKind.AsteriskAsteriskToken) return undefined;
  const isConstant = /^\(?2\)? \*\* (\d+|-\d+|\(-\d+\))$/.test(node.getText());
  return isConstant ? undefined : `${node.getText()} is Math.pow`;
});

/** Where checkpoint names are spelled: the model's, those of a trace, and what a format calls the
 *  same tensors. */
const NAME_FILES = [
  'src/model/weights.ts',
  'src/model/trace-points.ts',
  'src/formats/gguf/names.ts',
];

/** Checkpoint names are strings of these files and of none else in src/. */
export const checkpointNames: Rule = (source) => {
  if (NAME_FILES.includes(source.path)) return [];
  return nodeRule((node) => {
    const isText = ts.isStringLiteralLike(node) || ts.isTemplateLiteralToken(node);
    const isName = isText && /self_attn|W_pack|\.weight$/.test(node.text);
    return isName ? 'a checkpoint name outside src/model/weights.ts' : undefined;
  })(source);
};

export const noSuppression: Rule = (source) =>
  commentsOf(source)
    .filter(({ text }) => /@ts-(ignore|expect-error|nocheck)|biome-ignore-all/.test(text))
    .map(({ offset, text }) => atOffset(source, offset, `a check is suppressed: ${text}`));

export const issueOfTodo: Rule = (source) =>
  commentsOf(source)
    .filter(({ text }) => /\b(TODO(?!\(#\d+\))|FIXME|XXX)\b/.test(text))
    .map(({ offset, text }) => atOffset(source, offset, `no issue, write TODO(#n): ${text}`));

export const openingComment: Rule = (source) =>
  /^(#![^\n]*\n)?\/\*\* \S/.test(source.text)
    ? []
    : [`${source.path}:1: does not open with a /** comment`];
