/**
 * Just enough reading of TypeScript for the shape check: which text is code, where functions begin
 * and end, what a file imports and exports. TypeScript 7 has no JavaScript API to ask; the code is
 * laid out by a formatter, so indentation can be trusted.
 */
import { posix } from 'node:path';

/** The same text twice, each of the same length and with the same line breaks. */
interface Masked {
  /** Comments blanked out. */
  readonly plain: string;
  /** Comments and the contents of strings, templates and regular expressions blanked out. */
  readonly code: string;
}

/** A function, method or closure of several lines. Lines count from 1. */
export interface FunctionSpan {
  readonly header: string;
  /** The line that ends with the opening brace. */
  readonly open: number;
  /** The line that starts with the closing brace. */
  readonly close: number;
}

export interface Import {
  readonly line: number;
  readonly specifier: string;
  /** The imported names; '*' stands for all of them. */
  readonly names: readonly string[];
  /** Nothing of it is left at run time. */
  readonly typesOnly: boolean;
}

export interface Export {
  readonly line: number;
  readonly name: string;
  readonly isType: boolean;
}

/** A script file and what can be read off it. */
export interface Source {
  readonly path: string;
  readonly lines: readonly string[];
  readonly code: string;
  readonly codeLines: readonly string[];
  readonly functions: readonly FunctionSpan[];
  readonly imports: readonly Import[];
  readonly exports: readonly Export[];
}

export function parse(path: string, text: string): Source {
  const { plain, code } = new Masker(text).run();
  const codeLines = linesOf(code);
  return {
    path,
    lines: linesOf(text),
    code,
    codeLines,
    functions: findFunctions(codeLines),
    imports: findImports(plain, code),
    exports: findExports(code),
  };
}

/** The lines of a text; a final line break ends the last line and starts none. */
export function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}

export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1;
  }
  return line;
}

/** A slash after one of these starts a regular expression; after anything else it divides. */
const BEFORE_REGEX = /(?:^|[([{,;=:!&|?+\-*%<>~^]|\b(?:return|typeof|case|of|in))\s*$/;

class Masker {
  readonly #text: string;
  #at = 0;
  #plain = '';
  #code = '';

  constructor(text: string) {
    this.#text = text;
  }

  run(): Masked {
    // A stray closing brace ends a turn early; the next one goes on behind it.
    while (this.#at < this.#text.length) {
      this.#scanCode();
      this.#keep(1);
    }
    return { plain: this.#plain, code: this.#code };
  }

  /** Reads code up to the brace that closes what it began in, or to the end. */
  #scanCode(): void {
    let depth = 0;
    while (this.#at < this.#text.length) {
      const two = this.#text.slice(this.#at, this.#at + 2);
      const one = two[0];
      if (two === '//') this.#blankComment('\n', 0);
      else if (two === '/*') this.#blankComment('*/', 2);
      else if (one === "'" || one === '"') this.#scanQuoted(one);
      else if (one === '`') this.#scanTemplate();
      else if (one === '/' && BEFORE_REGEX.test(this.#code.slice(-40))) this.#scanRegex();
      else {
        if (one === '}' && depth === 0) return;
        if (one === '{') depth += 1;
        if (one === '}') depth -= 1;
        this.#keep(1);
      }
    }
  }

  #scanQuoted(quote: string): void {
    this.#keep(1);
    while (this.#at < this.#text.length && this.#text[this.#at] !== quote) {
      this.#blankString(this.#text[this.#at] === '\\' ? 2 : 1);
    }
    this.#keep(1);
  }

  #scanTemplate(): void {
    this.#keep(1);
    while (this.#at < this.#text.length && this.#text[this.#at] !== '`') {
      if (this.#text.startsWith('${', this.#at)) {
        this.#blankString(2);
        this.#scanCode();
        this.#blankString(1);
      } else {
        this.#blankString(this.#text[this.#at] === '\\' ? 2 : 1);
      }
    }
    this.#keep(1);
  }

  #scanRegex(): void {
    let inClass = false;
    this.#keep(1);
    while (this.#at < this.#text.length && this.#text[this.#at] !== '\n') {
      const char = this.#text[this.#at];
      if (char === '/' && !inClass) break;
      if (char === '[') inClass = true;
      if (char === ']') inClass = false;
      this.#blankString(char === '\\' ? 2 : 1);
    }
    this.#keep(1);
  }

  #blankComment(end: string, endLength: number): void {
    const found = this.#text.indexOf(end, this.#at + 2);
    const stop = found < 0 ? this.#text.length : found + endLength;
    const spaces = blank(this.#text.slice(this.#at, stop));
    this.#plain += spaces;
    this.#code += spaces;
    this.#at = stop;
  }

  #blankString(count: number): void {
    const text = this.#text.slice(this.#at, this.#at + count);
    this.#plain += text;
    this.#code += blank(text);
    this.#at += count;
  }

  #keep(count: number): void {
    const text = this.#text.slice(this.#at, this.#at + count);
    this.#plain += text;
    this.#code += text;
    this.#at += count;
  }
}

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

const OPENS_FUNCTION = /(?:\)(?:\s*:[^{}]*)?|=>)\s*\{$/;
const OPENS_BLOCK = /^(?:\}\s*)?(?:else\s+)?(?:if|for|while|switch|catch|with)\b/;
const OPENS_CLASS = /^(?:export\s+)?(?:abstract\s+)?class\b/;

function findFunctions(codeLines: readonly string[]): FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  for (const [index, line] of codeLines.entries()) {
    if (!OPENS_FUNCTION.test(line.trimEnd())) continue;
    const header = headerOf(codeLines, index);
    if (OPENS_BLOCK.test(header) || OPENS_CLASS.test(header)) continue;
    const indent = indentOf(line);
    const isEnd = (other: string): boolean => other[indent] === '}' && indentOf(other) === indent;
    const length = codeLines.slice(index + 1).findIndex(isEnd);
    if (length >= 0) spans.push({ header, open: index + 1, close: index + length + 2 });
  }
  return spans;
}

/** The line on which a signature begins: when it is broken, it ends with `)` at the same indent. */
function headerOf(codeLines: readonly string[], index: number): string {
  const indent = indentOf(codeLines[index]);
  let first = index;
  while (first > 0 && (codeLines[first][indent] === ')' || indentOf(codeLines[first]) !== indent)) {
    first -= 1;
  }
  return codeLines[first].trim();
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function findImports(plain: string, code: string): Import[] {
  const imports: Import[] = [];
  const pattern = /\b(?:(?:import|export)\b([\w\s{},*$]*?)\bfrom|import)\s*(\(?)\s*(['"])/g;
  for (const match of code.matchAll(pattern)) {
    const start = match.index + match[0].length;
    const specifier = plain.slice(start, plain.indexOf(match[3], start));
    const names = match[2] === '(' ? ['*'] : namesOf(match[1] ?? '');
    const typesOnly = match[2] !== '(' && isTypesOnly(match[1] ?? '');
    imports.push({ line: lineAt(code, match.index), specifier, names, typesOnly });
  }
  return imports;
}

/** `import type { … }`, or a list in which every name is marked as a type. */
function isTypesOnly(clause: string): boolean {
  if (/^\s*type\b(?!\s*,)/.test(clause)) return true;
  const inner = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1];
  const parts = inner?.split(',').filter((part) => part.trim() !== '');
  return parts?.every((part) => /^\s*type\s/.test(part)) ?? false;
}

/** The names that an import or export clause takes from the other side. */
function namesOf(clause: string): string[] {
  if (clause.includes('*')) return ['*'];
  const inner = /\{([^}]*)\}/.exec(clause)?.[1] ?? '';
  const names = inner.split(',').map((part) => part.trim().replace(/^type\s+/, ''));
  return names.map((name) => name.split(/\s+as\s+/)[0]).filter((name) => name !== '');
}

const DECLARED_EXPORT =
  /^export\s+(?:(?:declare|abstract|async)\s+)*([a-z]+\*?)(?:\s+enum)?\s+(?!from\b)([\w$]+)/gm;
const LISTED_EXPORT = /^export\s+(?:type\s+)?\{([^}]*)\}(?!\s*from)/gm;

/** Exported names. A default export has none: it is the entry of a worker, or of a tool. */
function findExports(code: string): Export[] {
  const exports: Export[] = [];
  for (const match of code.matchAll(DECLARED_EXPORT)) {
    if (match[1] === 'default') continue;
    const isType = match[1] === 'interface' || match[1] === 'type';
    exports.push({ line: lineAt(code, match.index), name: match[2], isType });
  }
  for (const match of code.matchAll(LISTED_EXPORT)) {
    for (const part of match[1].split(',')) {
      const name = /([\w$]+)\s*$/.exec(part)?.[1];
      const isType = match[0].startsWith('export type');
      if (name !== undefined) exports.push({ line: lineAt(code, match.index), name, isType });
    }
  }
  return exports;
}

/** The file that a specifier names, as a path from the root; undefined for a package. */
export function resolve(from: string, specifier: string): string | undefined {
  if (specifier === 'sessile') return 'src/index.ts';
  if (!specifier.startsWith('.')) return undefined;
  const path = posix.join(posix.dirname(from), specifier);
  return path.replace(/\.js$/, '.ts');
}
