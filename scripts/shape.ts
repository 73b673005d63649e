/**
 * The shape of the code, checked: sizes, the direction of imports, what hot files may contain, and
 * words that must not be left behind. A pure function of the files, so that it is tested like any
 * other; `check-shape.ts` runs it over the tree.
 */
import { lineAt, linesOf, parse, resolve, type Source } from './source-text.ts';

export interface Problem {
  readonly path: string;
  readonly line: number;
  readonly message: string;
  /** A note is printed but fails nothing. */
  readonly isNote: boolean;
}

const LINE_LENGTH_MAX = 100;
const FILE_LINES_MAX = 400;
const FILE_LINES_NOTE = 300;
const FUNCTION_LINES_MAX = 70;

const IN_CODE_FOLDER = /^(?:src|test|bench|scripts|examples)\//;
const IS_SCRIPT = /\.[cm]?[jt]s$/;
const IS_CODE = /\.(?:[cm]?[jt]s|py|sh)$/;

/** What each layer may import besides itself. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  version: [],
  security: ['core'],
  services: ['core'],
  journal: ['core'],
  workers: ['services', 'journal', 'core', 'version'],
  engine: ['workers', 'services', 'journal', 'core'],
  transport: ['security', 'workers', 'services', 'core'],
  operating: ['security', 'transport', 'workers', 'services', 'core'],
  console: [],
  keys: ['engine', 'transport', 'services', 'core'],
  serve: ['operating', 'security', 'transport', 'engine', 'workers', 'services', 'core', 'version'],
  cli: [
    'serve',
    'operating',
    'security',
    'transport',
    'engine',
    'workers',
    'services',
    'journal',
    'core',
    'version',
  ],
  index: [
    'keys',
    'serve',
    'engine',
    'transport',
    'workers',
    'services',
    'journal',
    'core',
    'version',
  ],
};

/** Files on the path of every request: nothing in them allocates after start. */
const HOT_FILES: ReadonlySet<string> = new Set([
  'src/core/checksum.ts',
  'src/core/commit-order.ts',
  'src/core/copy.ts',
  'src/core/hash.ts',
  'src/core/index-table.ts',
  'src/core/rate-limit.ts',
  'src/core/session-table.ts',
  'src/core/slot-commit.ts',
  'src/core/slot-pool.ts',
  'src/core/timer-wheel.ts',
  'src/core/victims.ts',
  'src/core/warmer.ts',
  'src/transport/cursor.ts',
  'src/workers/answering.ts',
  'src/workers/executor.ts',
  'src/workers/owner.ts',
  'src/workers/ring.ts',
  'src/workers/shard-loop.ts',
]);

/** What allocates, or may. A comment `// cold: <reason>` on its line or above lets it through. */
const HOT_RULES: readonly { readonly pattern: RegExp; readonly what: string }[] = [
  { pattern: /=>/, what: 'a closure' },
  { pattern: /\.\.\./, what: 'a spread' },
  { pattern: /\bBig(?:Int|Uint)|\b\d[\d_]*n\b/, what: 'a BigInt' },
  { pattern: /\.subarray\(/, what: '.subarray()' },
  { pattern: /\.slice\(/, what: '.slice()' },
  { pattern: /\bnew\b/, what: 'new outside a constructor' },
  { pattern: /`/, what: 'a template literal' },
];

/** Words and names that must not stay in any text file. Spelled so as not to match themselves. */
const TEXT_RULES: readonly { readonly pattern: RegExp; readonly message: string }[] = [
  { pattern: /\b(?:TO(?:DO)|FIX(?:ME)|X{3}|HA(?:CK))\b/, message: 'unfinished work is marked' },
  { pattern: /(?<![\w.-])\/(?:work|root|home)\//, message: 'a path of one machine' },
  { pattern: /\bregistry\.[\w-]+\.\w|\bnpmjs\.org\b/, message: 'the host of a registry' },
];

const TEST_MODIFIER = /\b(?:it|test|describe|suite)(?:\.\w+)*\.(?:only|skip|todo)\b/;

/** Checks text files, given by their paths from the root with forward slashes. */
export function check(files: ReadonlyMap<string, string>): Problem[] {
  const report = new Report();
  const sources = new Map<string, Source>();
  for (const [path, text] of files) {
    checkText(path, linesOf(text), report);
    if (IN_CODE_FOLDER.test(path) && IS_SCRIPT.test(path)) sources.set(path, parse(path, text));
  }
  for (const source of sources.values()) {
    checkSizes(source, report);
    checkLayers(source, report);
    checkTestModifiers(source, report);
    if (HOT_FILES.has(source.path)) checkHot(source, report);
  }
  checkCycles(sources, report);
  checkUnusedExports(sources, report);
  return report.sorted();
}

class Report {
  readonly #problems: Problem[] = [];

  error(path: string, line: number, message: string): void {
    this.#problems.push({ path, line, message, isNote: false });
  }

  note(path: string, line: number, message: string): void {
    this.#problems.push({ path, line, message, isNote: true });
  }

  sorted(): Problem[] {
    return this.#problems.sort((a, b) =>
      a.path === b.path ? a.line - b.line : a.path < b.path ? -1 : 1,
    );
  }
}

function checkText(path: string, lines: readonly string[], report: Report): void {
  const isLock = path.endsWith('package-lock.json');
  const isLimited = IN_CODE_FOLDER.test(path) && IS_CODE.test(path);
  for (const [index, line] of lines.entries()) {
    for (const rule of TEXT_RULES) {
      // The words in a lock file are those of hashes and of other packages.
      if (isLock && rule === TEXT_RULES[0]) continue;
      if (rule.pattern.test(line)) report.error(path, index + 1, rule.message);
    }
    if (isLock && /"resolved":\s*"https?:/.test(line)) {
      report.error(path, index + 1, 'a lock file without resolved addresses works everywhere');
    }
    const length = [...line].length;
    if (isLimited && length > LINE_LENGTH_MAX && !/https?:\/\//.test(line)) {
      report.error(path, index + 1, `${length} characters in a line of at most ${LINE_LENGTH_MAX}`);
    }
  }
}

function checkSizes(source: Source, report: Report): void {
  const count = source.lines.length;
  if (source.path.startsWith('src/') && count > FILE_LINES_NOTE) {
    const message = `${count} lines in a file of at most ${FILE_LINES_MAX}`;
    if (count > FILE_LINES_MAX) report.error(source.path, FILE_LINES_MAX + 1, message);
    else report.note(source.path, FILE_LINES_NOTE + 1, message);
  }
  for (const { header, open, close } of source.functions) {
    const length = close - open - 1;
    // A describe block groups tests; each of those is held to the limit itself.
    if (length <= FUNCTION_LINES_MAX || header.startsWith('describe')) continue;
    const message = `${length} lines in a function of at most ${FUNCTION_LINES_MAX}`;
    report.error(source.path, open, message);
  }
}

function layerOf(path: string): string | undefined {
  if (path === 'src/index.ts') return 'index';
  if (path === 'src/serve.ts') return 'serve';
  if (path === 'src/version.ts') return 'version';
  if (/^src\/(?:engine|embedding)[\w-]*(?:\.ts|\/)/.test(path)) return 'engine';
  const folder = /^src\/([\w-]+)\//.exec(path)?.[1];
  return folder !== undefined && folder in LAYERS ? folder : undefined;
}

function checkLayers(source: Source, report: Report): void {
  if (!source.path.startsWith('src/')) return;
  const from = layerOf(source.path);
  if (from === undefined) return report.error(source.path, 1, 'the file belongs to no known layer');
  for (const { line, specifier } of source.imports) {
    const target = resolve(source.path, specifier);
    if (target === undefined) {
      // A browser finds no package by its name; a declaration only takes its types.
      const isClosed = from === 'console' && !source.path.endsWith('.d.ts');
      if (from !== 'core' && !isClosed) continue;
      report.error(source.path, line, `${from} imports ${specifier}`);
      continue;
    }
    const to = layerOf(target);
    if (to === from || (to !== undefined && LAYERS[from].includes(to))) continue;
    report.error(source.path, line, `${from} may not import ${target}`);
  }
}

function checkTestModifiers(source: Source, report: Report): void {
  if (!source.path.startsWith('test/')) return;
  for (const [index, line] of source.codeLines.entries()) {
    const found = TEST_MODIFIER.exec(line)?.[0];
    if (found !== undefined) report.error(source.path, index + 1, `${found} leaves tests out`);
  }
}

function checkHot(source: Source, report: Report): void {
  for (const { pattern, what } of HOT_RULES) {
    const found = new Set<number>();
    for (const { index } of source.code.matchAll(new RegExp(pattern, 'g'))) {
      const line = lineAt(source.code, index);
      if (isColdByNature(source, what, index, line)) continue;
      if (!isExcused(source, line, /\/\/ cold: \S/)) found.add(line);
    }
    const advice = 'in a hot file; if it is cold, say // cold: why';
    for (const line of found) report.error(source.path, line, `${what} ${advice}`);
  }
}

/** What runs once, runs never, or runs only before a throw. */
function isColdByNature(source: Source, what: string, offset: number, line: number): boolean {
  const text = source.codeLines[line - 1];
  if (what === 'a closure') return /^(?:export )?type\b/.test(text);
  if (what === 'a template literal') return isThrown(source, offset);
  if (!what.startsWith('new')) return false;
  const around = source.functions.filter(({ open, close }) => open <= line && line < close);
  return (
    around.every(({ header }) => header.startsWith('constructor(')) || isThrown(source, offset)
  );
}

function isThrown(source: Source, offset: number): boolean {
  const statement = /[^;{}]*$/.exec(source.code.slice(0, offset));
  return statement !== null && /\bthrow\b/.test(statement[0]);
}

function isExcused(source: Source, line: number, excuse: RegExp): boolean {
  const above = source.lines[line - 2] ?? '';
  return excuse.test(source.lines[line - 1]) || (/^\s*\/\//.test(above) && excuse.test(above));
}

function checkCycles(sources: ReadonlyMap<string, Source>, report: Report): void {
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (source: Source): void => {
    trail.push(source.path);
    for (const { line, specifier, typesOnly } of source.imports) {
      // Types alone make no cycle at run time.
      if (typesOnly) continue;
      const target = sources.get(resolve(source.path, specifier) ?? '');
      if (target === undefined || done.has(target.path)) continue;
      const start = trail.indexOf(target.path);
      if (start < 0) {
        visit(target);
      } else {
        const cycle = [...trail.slice(start), target.path].join(' → ');
        report.error(source.path, line, `a cycle of imports: ${cycle}`);
      }
    }
    trail.pop();
    done.add(source.path);
  };
  for (const source of sources.values()) if (!done.has(source.path)) visit(source);
}

function checkUnusedExports(sources: ReadonlyMap<string, Source>, report: Report): void {
  const used = new Set<string>();
  for (const source of sources.values()) {
    for (const { specifier, names } of source.imports) {
      const target = resolve(source.path, specifier);
      for (const name of names) used.add(`${target} ${name}`);
    }
  }
  for (const source of sources.values()) {
    const path = source.path;
    if (!path.startsWith('src/') || path === 'src/index.ts' || used.has(`${path} *`)) continue;
    for (const { line, name, isType } of source.exports) {
      // A type in an exported signature is part of it, whether somebody names it or not.
      if (isType) continue;
      if (used.has(`${path} ${name}`) || isExcused(source, line, /\/\/ public\b/)) continue;
      report.error(path, line, `${name} is exported but nothing imports it`);
    }
  }
}
