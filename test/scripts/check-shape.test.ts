import { describe, expect, it } from 'vitest';
import { check, type Problem } from '../../scripts/shape.ts';

/** Problems of a small tree, without those of exports that nothing imports. */
function problemsOf(tree: Record<string, string>): string[] {
  const problems = check(new Map(Object.entries(tree)));
  return problems.filter(({ message }) => !message.includes('nothing imports')).map(print);
}

function print({ path, line, message, isNote }: Problem): string {
  return `${path}:${line} ${isNote ? 'note: ' : ''}${message}`;
}

function unusedOf(tree: Record<string, string>): string[] {
  const problems = check(new Map(Object.entries(tree)));
  return problems.filter(({ message }) => message.includes('nothing imports')).map(print);
}

function linesOf(count: number, line = 'work();'): string {
  return `${line}\n`.repeat(count);
}

describe('sizes', () => {
  it('allows 100 characters in a line of code, counting characters and not bytes', () => {
    expect(problemsOf({ 'src/core/a.ts': `// ${'−'.repeat(97)}\n` })).toEqual([]);
    expect(problemsOf({ 'src/core/a.ts': `\n// ${'−'.repeat(98)}\n` })).toEqual([
      'src/core/a.ts:2 101 characters in a line of at most 100',
    ]);
  });

  it('lets long lines pass in prose and where an address makes them long', () => {
    const long = 'x'.repeat(120);
    expect(
      problemsOf({ 'docs/a.md': long, 'test/a.ts': `// https://example.com/${long}` }),
    ).toEqual([]);
  });

  it('notes a source file over 300 lines and refuses one over 400', () => {
    const tree = (count: number) => problemsOf({ 'src/core/a.ts': linesOf(count) });
    expect(tree(300)).toEqual([]);
    expect(tree(301)).toEqual(['src/core/a.ts:301 note: 301 lines in a file of at most 400']);
    expect(tree(400)).toEqual(['src/core/a.ts:301 note: 400 lines in a file of at most 400']);
    expect(tree(401)).toEqual(['src/core/a.ts:401 401 lines in a file of at most 400']);
    expect(problemsOf({ 'test/a.ts': linesOf(401) })).toEqual([]);
  });

  it.each([
    ['a function', 'export function run(): void {', '}'],
    ['a method', 'class A {\n  #run(value: number): Map<string, () => void> {', '  }\n}'],
    ['a broken signature', 'function run(\n  value: number,\n): void {', '}'],
    ['a getter', 'class A {\n  get size(): number {', '  }\n}'],
    ['a test', "describe('a', () => {\n  it('runs', async () => {", '  });\n});'],
  ])('refuses %s of more than 70 lines', (_name, open, close) => {
    const line = open.split('\n').length;
    const tree = (count: number) =>
      problemsOf({ 'bench/a.ts': `${open}\n${linesOf(count)}${close}` });
    expect(tree(70)).toEqual([]);
    expect(tree(71)).toEqual([`bench/a.ts:${line} 71 lines in a function of at most 70`]);
  });

  it('takes neither blocks, nor tables, nor describe for functions', () => {
    for (const [open, close] of [
      ['if (a) {', '}'],
      ['} else if (\n  a\n) {', '}'],
      ['for (const a of b()) {', '}'],
      ['class A extends mixed(B) {', '}'],
      ['const table = {', '};'],
      ["describe('a', () => {", '});'],
    ]) {
      expect(problemsOf({ 'test/a.ts': `${open}\n${linesOf(80)}${close}\n` })).toEqual([]);
    }
  });

  it('is not led astray by braces in strings, templates, comments and expressions', () => {
    const lines = [
      `const a = '}'; // }`,
      `const b = /[/}]"/; /* } */`,
      `c = \`}\${d({}, \`}\`)}}\`;`,
    ];
    const odd = `${lines.join('\n')}\n`;
    const tree = (count: number) =>
      problemsOf({ 'src/core/a.ts': `function run(): void {\n${odd}${linesOf(count)}}\n` });
    expect(tree(67)).toEqual([]);
    expect(tree(68)).toEqual(['src/core/a.ts:1 71 lines in a function of at most 70']);
  });
});

describe('imports', () => {
  const allowed = (path: string, specifier: string) =>
    problemsOf({ [path]: `import { a } from '${specifier}';\n` }).length === 0;

  it('keeps the core to itself', () => {
    expect(allowed('src/core/a.ts', './b.ts')).toBe(true);
    expect(allowed('src/core/a.ts', '../workers/b.ts')).toBe(false);
    expect(allowed('src/core/a.ts', '../index.ts')).toBe(false);
    expect(allowed('src/core/a.ts', 'node:fs')).toBe(false);
    expect(allowed('src/core/a.ts', 'msgpackr')).toBe(false);
  });

  it.each([
    ['src/services/a.ts', ['core'], ['workers', 'journal', 'transport', 'cli']],
    ['src/journal/a.ts', ['core'], ['workers', 'services', 'transport', 'cli']],
    ['src/workers/a.ts', ['core', 'services', 'journal'], ['transport', 'cli']],
    ['src/transport/a.ts', ['core', 'services', 'workers'], ['journal', 'cli']],
    ['src/cli/a.ts', ['core', 'services', 'journal', 'workers', 'transport'], ['keys']],
  ])('lets %s import the layers below it only', (path, below, others) => {
    for (const layer of below) expect(allowed(path, `../${layer}/b.ts`)).toBe(true);
    for (const layer of others) expect(allowed(path, `../${layer}/b.ts`)).toBe(false);
    expect(allowed(path, 'node:fs')).toBe(true);
    expect(allowed(path, '../../bench/b.ts')).toBe(false);
  });

  it('lets the console page import itself, and a package only for its types', () => {
    expect(allowed('src/console/a.ts', './b.ts')).toBe(true);
    expect(allowed('src/console/a.ts', '../core/b.ts')).toBe(false);
    expect(allowed('src/console/a.ts', 'uplot')).toBe(false);
    expect(allowed('src/console/a.ts', 'node:fs')).toBe(false);
    expect(allowed('src/console/a.d.ts', 'uplot')).toBe(true);
    expect(allowed('src/cli/a.ts', '../console/b.ts')).toBe(false);
  });

  it('places the files that compose the engine, and the public face, above all but the cli', () => {
    for (const path of ['src/engine.ts', 'src/engine-options.ts', 'src/embedding/a.ts']) {
      const up = path.startsWith('src/embedding/') ? '../' : './';
      expect(allowed(path, `${up}workers/b.ts`)).toBe(true);
      expect(allowed(path, `${up}transport/b.ts`)).toBe(false);
    }
    expect(allowed('src/index.ts', './transport/b.ts')).toBe(true);
    expect(allowed('src/index.ts', './cli/b.ts')).toBe(false);
  });

  it('refuses a source file that no layer holds', () => {
    expect(problemsOf({ 'src/utils/a.ts': '' })).toEqual([
      'src/utils/a.ts:1 the file belongs to no known layer',
    ]);
  });

  it('sees each form of import, but none in strings and comments', () => {
    const forms = [
      "import type { A } from '../cli/a.ts';",
      "import {\n  a,\n  type B as C,\n} from '../cli/a.ts';",
      "import * as a from '../cli/a.ts';",
      "import '../cli/a.ts';",
      "const a = await import('../cli/a.ts');",
      "export { a } from '../cli/a.ts';",
      "export * from '../cli/a.ts';",
    ];
    for (const form of forms) {
      expect(problemsOf({ 'src/core/b.ts': `\n${form}\n` })).toEqual([
        'src/core/b.ts:2 core may not import src/cli/a.ts',
      ]);
      expect(
        problemsOf({ 'src/core/b.ts': `/*\n${form}\n*/ const text = \`${form}\`;\n` }),
      ).toEqual([]);
    }
  });

  it('finds cycles, once each and with their way', () => {
    const tree = {
      'src/core/a.ts': "import './b.ts';\n",
      'src/core/b.ts': "import './c.ts';\n",
      'src/core/c.ts': "import './b.ts';\nimport './d.ts';\n",
      'src/core/d.ts': '',
    };
    expect(problemsOf(tree)).toEqual([
      'src/core/c.ts:1 a cycle of imports: src/core/b.ts → src/core/c.ts → src/core/b.ts',
    ]);
  });
});

describe('hot files', () => {
  const inMethod = (line: string) =>
    problemsOf({ 'src/core/hash.ts': `class A {\n  run(): void {\n    ${line}\n  }\n}\n` });

  it.each([
    ['a closure', 'each((slot) => slot + 1);'],
    ['a spread', 'run(...slots);'],
    ['a BigInt', 'const a = BigInt(1);'],
    ['a BigInt', 'const a = 10n;'],
    ['a BigInt', 'const a = b as BigUint64Array;'],
    ['.subarray()', 'a = bytes.subarray(1);'],
    ['.slice()', 'a = bytes.slice(1);'],
    ['new outside a constructor', 'const a = new View();'],
    ['a template literal', 'const a = `b`;'],
  ])('refuse %s', (what, line) => {
    expect(inMethod(line)).toEqual([
      `src/core/hash.ts:3 ${what} in a hot file; if it is cold, say // cold: why`,
    ]);
    expect(problemsOf({ 'src/core/recovery.ts': line })).toEqual([]);
  });

  it('let through what a comment excuses with a reason, on the line or above it', () => {
    expect(inMethod('const a = new View(); // cold: once per connection')).toEqual([]);
    expect(inMethod('// cold: once per connection\n    const a = new View();')).toEqual([]);
    expect(inMethod('const a = new View(); // cold:')).toHaveLength(1);
    expect(inMethod('const b = 1; // cold: another line\n    const a = new View();')).toHaveLength(
      1,
    );
  });

  it('may allocate where it happens once, or only before a throw', () => {
    const text = [
      'const TABLE = new Int32Array(8);',
      'class A {',
      '  readonly #words = new Int32Array(8);',
      '  constructor(',
      '    size: number,',
      '  ) {',
      '    this.words = new Int32Array(size);',
      '  }',
      '}',
    ];
    expect(problemsOf({ 'src/core/hash.ts': text.join('\n') })).toEqual([]);
    expect(inMethod('if (a) throw new RangeError(`b`);')).toEqual([]);
    expect(inMethod('throw a; const b = new View();')).toHaveLength(1);
  });

  it('may name anything in comments and strings', () => {
    expect(inMethod("const a = 'new ... => 1n'; // new View(...a) => 1n")).toEqual([]);
  });
});

describe('leftovers', () => {
  it.each(['it.only', 'describe.only', 'test.skip', 'it.todo', 'it.concurrent.only'])(
    'refuses %s in a test',
    (modifier) => {
      const call = `${modifier}('a', () => {});`;
      expect(problemsOf({ 'test/a.test.ts': call })).toEqual([
        `test/a.test.ts:1 ${modifier} leaves tests out`,
      ]);
      expect(problemsOf({ 'test/a.test.ts': `// ${call}` })).toEqual([]);
    },
  );

  it('knows a method of that name, and a test that runs where it can', () => {
    expect(problemsOf({ 'test/a.test.ts': 'cursor.skip();\nit.skipIf(a)(b);\n' })).toEqual([]);
  });

  it('refuses marks of unfinished work in any text, except a lock file', () => {
    // Put together here, so that this file has none.
    for (const mark of [
      ['TO', 'DO'],
      ['FIX', 'ME'],
      ['XX', 'X'],
      ['HA', 'CK'],
    ]) {
      const text = `one\ntwo ${mark.join('')}: three\n`;
      expect(problemsOf({ 'docs/a.md': text })).toEqual(['docs/a.md:2 unfinished work is marked']);
      expect(problemsOf({ 'package-lock.json': text })).toEqual([]);
    }
    expect(problemsOf({ '.ci/run': 'mktemp -d a.XXXXXX' })).toEqual([]);
  });

  it('refuses paths of one machine', () => {
    for (const folder of ['work', 'root', 'home']) {
      const path = ['', folder, 'a.txt'].join('/');
      const expected = ['README.md:1 a path of one machine'];
      expect(problemsOf({ 'README.md': `see ${path}` })).toEqual(expected);
      expect(problemsOf({ 'README.md': `see file://${path}` })).toEqual(expected);
      expect(problemsOf({ 'README.md': `see ..${path} or src${path}` })).toEqual([]);
    }
  });

  it('refuses the hosts of registries, and addresses in a lock file', () => {
    const host = ['registry', 'example', 'org'].join('.');
    expect(problemsOf({ '.npmrc': host })).toEqual(['.npmrc:1 the host of a registry']);
    expect(problemsOf({ 'package-lock.json': '"resolved": "https://a.example/b.tgz"' })).toEqual([
      'package-lock.json:1 a lock file without resolved addresses works everywhere',
    ]);
  });
});

describe('exports', () => {
  it('must be imported by another file, or be public', () => {
    const a = [
      'export const used = 1;',
      'export const enum Unused {}',
      'export async function unusedToo(): Promise<void> {}',
      'const listed = 1;',
      'export { listed as renamed };',
      'export interface Kept {} // public',
      '// public: the shape of a plugin',
      'export type KeptToo = number;',
      'export default used;',
    ];
    const tree = {
      'src/core/a.ts': a.join('\n'),
      'test/a.ts': "import { used } from '../src/core/a.ts';",
    };
    expect(unusedOf(tree)).toEqual([
      'src/core/a.ts:2 Unused is exported but nothing imports it',
      'src/core/a.ts:3 unusedToo is exported but nothing imports it',
      'src/core/a.ts:5 renamed is exported but nothing imports it',
    ]);
  });

  it.each([
    ['src/index.ts', "export { a } from './core/a.ts';"],
    ['src/index.ts', "export * from './core/a.ts';"],
    ['src/core/b.ts', "import { type a as b } from './a.js';"],
    ['bench/b.ts', "import * as b from '../src/core/a.ts';"],
    ['examples/b.ts', "const { a } = await import('../src/core/a.ts');"],
  ])('are used by %s: %s', (path, text) => {
    expect(unusedOf({ 'src/core/a.ts': 'export const a = 1;\n', [path]: text })).toEqual([]);
  });

  it('of the public face are for others', () => {
    expect(unusedOf({ 'src/index.ts': 'export const a = 1;\n' })).toEqual([]);
  });
});
