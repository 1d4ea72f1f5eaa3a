/** A source file as the rules of the house style see it: path, text, syntax tree. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

/** The root of the repository. */
export const ROOT = path.resolve(import.meta.dirname, '../../..');

export interface Source {
  /** From the root of the repository, with forward slashes. */
  path: string;
  text: string;
  tree: ts.SourceFile;
}

/** A rule: what it finds wrong with one file, each as `path:line: text`. */
export type Rule = (source: Source) => string[];

/** @param filePath decides which rules apply; need not exist */
export function parse(filePath: string, text: string): Source {
  const kind = filePath.endsWith('.mjs') ? ts.ScriptKind.JS : ts.ScriptKind.TS;
  const tree = ts.createSourceFile(filePath, text, ts.ScriptTarget.ES2022, true, kind);
  return { path: filePath, text, tree };
}

/** Every file below a folder, whatever it is, but those that a script generates and packages that
 *  were installed there. */
export function listFiles(folder: string): string[] {
  const absolute = path.join(ROOT, folder);
  if (!existsSync(absolute)) return [];
  return readdirSync(absolute, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.endsWith('.generated.ts'))
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)))
    .map((file) => file.split(path.sep).join('/'))
    .filter((file) => !file.includes('/node_modules/'))
    .sort();
}

/** Every TypeScript and JavaScript file below a folder, but those that a script generates. */
export function readSources(folder: string): Source[] {
  return listFiles(folder)
    .filter((file) => /\.(ts|mjs)$/.test(file))
    .map((file) => parse(file, readFileSync(path.join(ROOT, file), 'utf8')));
}

/** Calls `visit` for the node and everything in it, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** A rule about single nodes: what is wrong with this one, if anything. */
export function nodeRule(judge: (node: ts.Node) => string | undefined): Rule {
  return (source) => {
    const found: string[] = [];
    walk(source.tree, (node) => {
      const text = judge(node);
      if (text !== undefined) found.push(at(source, node, text));
    });
    return found;
  };
}

/** A finding at a node. */
export function at(source: Source, node: ts.Node, text: string): string {
  return atOffset(source, node.getStart(source.tree), text);
}

/** A finding at an offset of the text. */
export function atOffset(source: Source, offset: number, text: string): string {
  return `${source.path}:${source.tree.getLineAndCharacterOfPosition(offset).line + 1}: ${text}`;
}

export interface Comment {
  offset: number;
  text: string;
}

/** Every comment, once; text in strings that looks like one is not. */
export function commentsOf(source: Source): Comment[] {
  const found = new Map<number, Comment>();
  const collect = (node: ts.Node): void => {
    const ranges = [
      ...(ts.getLeadingCommentRanges(source.text, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(source.text, node.getEnd()) ?? []),
    ];
    // Between the parts of a template lies text, not trivia.
    if (node.kind < ts.SyntaxKind.TemplateHead || node.kind > ts.SyntaxKind.TemplateTail) {
      for (const { pos, end } of ranges) {
        found.set(pos, { offset: pos, text: source.text.slice(pos, end) });
      }
    }
    for (const child of node.getChildren(source.tree)) collect(child);
  };
  collect(source.tree);
  return [...found.values()];
}

export interface Import {
  node: ts.Node;
  specifier: string;
  /** Whether nothing of it is left at run time. */
  isType: boolean;
  /** The imported file from the root, for a relative import. */
  target: string | undefined;
}

/** Every import and re-export, dynamic ones and `import('…')` types included. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, isType: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return;
    const isRelative = specifier.text.startsWith('.');
    const target = path.posix.join(path.posix.dirname(source.path), specifier.text);
    found.push({
      node,
      specifier: specifier.text,
      isType,
      target: isRelative ? target : undefined,
    });
  };
  walk(source.tree, (node) => {
    if (ts.isImportDeclaration(node)) {
      add(node, node.moduleSpecifier, isTypeClause(node.importClause));
    } else if (ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true);
    }
  });
  return found;
}

function isTypeClause(clause: ts.ImportClause | undefined): boolean {
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  if (clause.name !== undefined || names === undefined || !ts.isNamedImports(names)) return false;
  return names.elements.length > 0 && names.elements.every((element) => element.isTypeOnly);
}
