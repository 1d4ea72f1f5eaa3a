/** How src/ is written where neither compiler nor linter looks: casts, refusals, sizes, docstrings,
 *  names. */

import ts from 'typescript';
import { at, nodeRule, type Rule, walk } from './source.ts';

/** A cast of a cast silences the compiler whatever the types are. */
export const doubleCasts: Rule = nodeRule((node) => {
  if (!isCast(node)) return undefined;
  return isCast(inner(node.expression)) ? `${node.getText()} is a double cast` : undefined;
});

function isCast(node: ts.Node): node is ts.AsExpression | ts.TypeAssertion {
  return ts.isAsExpression(node) || ts.isTypeAssertionExpression(node);
}

/** What stands in parentheses. */
function inner(node: ts.Expression): ts.Expression {
  return ts.isParenthesizedExpression(node) ? inner(node.expression) : node;
}

/** Errors of the language have no code, no place and no remedy. */
export const ownErrors: Rule = nodeRule((node) => {
  if (!ts.isNewExpression(node) && !ts.isCallExpression(node)) return undefined;
  const name = node.expression.getText().replace(/^globalThis\./, '');
  return /^([A-Z][a-z]+)*Error$|^URIError$/.test(name) && name !== 'BaichuanError'
    ? `${name}, where a BaichuanError belongs`
    : undefined;
});

const BITWISE = new Set([
  ...[ts.SyntaxKind.AmpersandToken, ts.SyntaxKind.AmpersandEqualsToken],
  ...[ts.SyntaxKind.BarToken, ts.SyntaxKind.BarEqualsToken],
  ...[ts.SyntaxKind.CaretToken, ts.SyntaxKind.CaretEqualsToken],
]);
const SHIFTS = new Set([
  ...[ts.SyntaxKind.LessThanLessThanToken, ts.SyntaxKind.LessThanLessThanEqualsToken],
  ...[ts.SyntaxKind.GreaterThanGreaterThanToken],
  ...[ts.SyntaxKind.GreaterThanGreaterThanEqualsToken],
  ...[ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken],
  ...[ts.SyntaxKind.GreaterThanGreaterThanGreaterThanEqualsToken],
]);
const SIZE = /^(size|length|offset|count)s?$|[a-z0-9](Size|Length|Offset|Count)s?$/;

/** Bitwise operators cut a number to 32 bits; offsets and sizes have up to 53. */
export const bitwiseSizes: Rule = nodeRule((node) => {
  const found = bitwiseOperands(node)
    .map(sizeIn)
    .find((name) => name !== undefined);
  return found === undefined ? undefined : `a bitwise operator on ${found}`;
});

/** What an operator cuts to 32 bits; how far a shift goes is no size. */
function bitwiseOperands(node: ts.Node): ts.Expression[] {
  if (ts.isPrefixUnaryExpression(node)) {
    return node.operator === ts.SyntaxKind.TildeToken ? [node.operand] : [];
  }
  if (!ts.isBinaryExpression(node)) return [];
  if (SHIFTS.has(node.operatorToken.kind)) return [node.left];
  return BITWISE.has(node.operatorToken.kind) ? [node.left, node.right] : [];
}

/** The name of an offset or size that decides this value by arithmetic, if any. */
function sizeIn(node: ts.Expression): string | undefined {
  if (ts.isIdentifier(node)) return SIZE.test(node.text) ? node.text : undefined;
  if (ts.isPropertyAccessExpression(node)) {
    return SIZE.test(node.name.text) ? node.getText() : undefined;
  }
  if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || isCast(node)) {
    return sizeIn(node.expression);
  }
  if (ts.isPrefixUnaryExpression(node)) return sizeIn(node.operand);
  // A bitwise operation within is a finding of its own, or its result is a mask already.
  if (!ts.isBinaryExpression(node) || bitwiseOperands(node).length > 0) return undefined;
  return sizeIn(node.left) ?? sizeIn(node.right);
}

/** An exported function says what it does. The opening comment speaks of the file. */
export const docstrings: Rule = (source) => {
  const opening = /^\s*(#![^\n]*\s*)?/.exec(source.text)?.[0].length ?? 0;
  return source.tree.statements
    .filter((statement) => isExported(statement) && isFunction(statement))
    .filter((statement) => {
      if (ts.isFunctionDeclaration(statement) && isLaterOverload(statement)) return false;
      const comments = ts.getJSDocCommentsAndTags(statement).filter(ts.isJSDoc);
      return !comments.some(({ pos, comment }) => pos > opening && comment !== undefined);
    })
    .map((statement) => at(source, statement, 'an exported function without a docstring'));
};

function isExported(statement: ts.Statement): boolean {
  const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
  return modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
}

function isFunction(statement: ts.Statement): boolean {
  if (ts.isFunctionDeclaration(statement)) return true;
  if (!ts.isVariableStatement(statement)) return false;
  return statement.declarationList.declarations.some(
    ({ initializer }) =>
      initializer !== undefined &&
      (ts.isArrowFunction(inner(initializer)) || ts.isFunctionExpression(inner(initializer))),
  );
}

/** Whether the signature above belongs to the same function: that one has the docstring. */
function isLaterOverload(node: ts.FunctionDeclaration): boolean {
  const { statements } = node.getSourceFile();
  const before = statements[statements.indexOf(node) - 1];
  return (
    before !== undefined &&
    ts.isFunctionDeclaration(before) &&
    before.body === undefined &&
    before.name?.text === node.name?.text
  );
}

/** Values are camelCase, fixed constants UPPER_CASE. Names of properties may be a format's, and
 *  types of GGUF keep their underscore: `packQ8_0`. */
export const snakeCase: Rule = (source) => {
  const found: string[] = [];
  walk(source.tree, (node) => {
    const isValue =
      ts.isVariableDeclaration(node) ||
      ts.isParameter(node) ||
      ts.isBindingElement(node) ||
      ts.isFunctionLike(node);
    if (!isValue || node.name === undefined || !ts.isIdentifier(node.name)) return;
    const name = node.name.text.replace(/Q(\d)_(\d)$/, 'Q$1$2');
    if (!/[a-z]/.test(name) || !/[^_]_/.test(name)) return;
    found.push(at(source, node.name, `${node.name.text} is not camelCase`));
  });
  return found;
};
