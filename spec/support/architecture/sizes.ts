/** Size limits: lines of a file and a function, columns, nested loops, parameters. */

import ts from 'typescript';
import { at, type Rule, type Source, walk } from './source.ts';

const FILE_LINES = 300;
const FUNCTION_LINES = 50;
const KERNEL_FUNCTION_LINES = 120;
const COLUMNS = 100;
const NESTED_LOOPS = 3;
const PARAMETERS = 5;

/** Kernels and their mirrors take the loops and parameters they need. */
function isKernel(source: Source): boolean {
  return /^(assembly|src\/kernels\/reference)\//.test(source.path);
}

export const fileLines: Rule = (source) => {
  const lines = source.text.replace(/\n$/, '').split('\n').length;
  return lines <= FILE_LINES ? [] : [`${source.path}:${FILE_LINES}: ${lines} lines`];
};

/** Columns are characters, so a line of Chinese is as long as it has characters. */
export const columns: Rule = (source) =>
  source.text.split('\n').flatMap((line, index) => {
    const width = [...line].length;
    return width <= COLUMNS ? [] : [`${source.path}:${index + 1}: ${width} columns`];
  });

export const functionLines: Rule = (source) => {
  const limit = isKernel(source) ? KERNEL_FUNCTION_LINES : FUNCTION_LINES;
  return functionsOf(source).flatMap((node) => {
    const begin = source.tree.getLineAndCharacterOfPosition(node.getStart(source.tree)).line;
    const lines = source.tree.getLineAndCharacterOfPosition(node.getEnd()).line - begin + 1;
    return lines <= limit ? [] : [at(source, node, `a function of ${lines} lines`)];
  });
};

export const parameters: Rule = (source) => {
  if (isKernel(source)) return [];
  return functionsOf(source).flatMap((node) => {
    const count = node.parameters.length;
    return count <= PARAMETERS ? [] : [at(source, node, `${count} parameters`)];
  });
};

export const nestedLoops: Rule = (source) => {
  if (isKernel(source)) return [];
  const found: string[] = [];
  const visit = (node: ts.Node, depth: number): void => {
    const inner = ts.isFunctionLike(node) ? 0 : depth + (isLoop(node) ? 1 : 0);
    if (isLoop(node) && inner > NESTED_LOOPS) found.push(at(source, node, `${inner} nested loops`));
    ts.forEachChild(node, (child) => visit(child, inner));
  };
  visit(source.tree, 0);
  return found;
};

function isLoop(node: ts.Node): boolean {
  return ts.isIterationStatement(node, false);
}

/** Every function with a body. */
function functionsOf(source: Source): ts.FunctionLikeDeclaration[] {
  const found: ts.FunctionLikeDeclaration[] = [];
  walk(source.tree, (node) => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      found.push(node as ts.FunctionLikeDeclaration);
    }
  });
  return found;
}
