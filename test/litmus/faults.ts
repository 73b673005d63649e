/**
 * Faults that a litmus must notice: each is one change to one file of the built code, made in a
 * copy. The text that is replaced must be there once, so a fault cannot go stale unseen.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export interface Fault {
  readonly litmus: string;
  readonly what: string;
  readonly file?: string;
  readonly from?: string;
  readonly to?: string;
  /** False: the sleeper itself has the fault. */
  readonly looksAgain?: boolean;
}

const RING = 'workers/ring.js';
const BELL = 'workers/doorbell.js';
const OWNER = 'workers/owner.js';
const LOG = 'core/log-buffer.js';

export const FAULTS: readonly Fault[] = [
  {
    litmus: 'ring',
    what: 'the tail is published before the record is written',
    file: RING,
    from: 'words[at] = needed;',
    to: 'Atomics.store(words, 0, (tail + needed) | 0); words[at] = needed;',
  },
  {
    litmus: 'ring',
    what: 'memory is given back when a record is taken, not when it was read',
    file: RING,
    from: '+ this.words[at]) | 0;\n    }\n    /** Consumer: gives',
    to: '+ this.words[at]) | 0;\n        this.release();\n    }\n    /** Consumer: gives',
  },
  {
    litmus: 'ring',
    what: 'a full ring takes two words more',
    file: RING,
    from: '= Atomics.load(words, 32 /* Word.HEAD */);',
    to: '= (Atomics.load(words, 32) + 2) | 0;',
  },
  {
    litmus: 'ring',
    what: 'a record that fits exactly is put behind padding all the same',
    file: RING,
    from: 'if (contiguous < needed) {',
    to: 'if (contiguous <= needed) {',
  },
  {
    litmus: 'bell',
    what: 'the sleeper does not look again before it sleeps',
    looksAgain: false,
  },
  {
    litmus: 'meet',
    what: 'the sleeper says that it sleeps with a plain store',
    file: BELL,
    from: 'Atomics.store(this.#words, 1 /* Word.SLEEPING */, 1);',
    to: 'this.#words[1] = 1;',
  },
  {
    litmus: 'meet',
    what: 'the tail is published with a plain store',
    file: RING,
    from: 'Atomics.store(this.words, 0 /* Word.TAIL */, tail);',
    to: 'this.words[0] = tail;',
  },
  {
    litmus: 'bell',
    what: 'the bell is sampled when the sleep begins',
    file: BELL,
    from: 'this.#sample, timeoutMs',
    to: 'Atomics.load(this.#words, 0), timeoutMs',
  },
  {
    litmus: 'bell',
    what: 'the bell is notified and not moved',
    file: BELL,
    from: 'Atomics.add(this.#words, 0 /* Word.BELL */, 1);',
    to: '',
  },
  {
    litmus: 'hush',
    what: 'a hushed sleeper does not look again before it relies on the bell',
    looksAgain: false,
  },
  {
    litmus: 'meet',
    what: 'the bell is hushed with a plain store',
    file: BELL,
    from: 'Atomics.store(this.#words, 1 /* Word.SLEEPING */, isAwake ? 0 : 1);',
    to: 'this.#words[1] = isAwake ? 0 : 1;',
  },
  {
    litmus: 'hush',
    what: 'the bell stays hushed',
    file: BELL,
    from: 'isAwake ? 0 : 1',
    to: '0',
  },
  {
    litmus: 'owner',
    what: 'the word is looked at and then taken',
    file: OWNER,
    from: 'tryAcquire(arena, runner) {',
    to: `tryAcquire(arena, runner) {
      if (Atomics.load(arena, 32) !== NOBODY) return false;
      Atomics.store(arena, 32, runner);
      return true;`,
  },
  {
    litmus: 'owner',
    what: 'the word is taken without atomics',
    file: OWNER,
    from: 'tryAcquire(arena, runner) {',
    to: `tryAcquire(arena, runner) {
      if (arena[32] !== NOBODY) return false;
      arena[32] = runner;
      return true;`,
  },
  {
    litmus: 'owner',
    what: 'whoever comes lets the holder go',
    file: OWNER,
    from: '=== NOBODY;',
    to: '=== NOBODY || Atomics.compareExchange(arena, 32, 1, runner) === 1;',
  },
  {
    litmus: 'log',
    what: 'the tail is published before the entry is written',
    file: LOG,
    from: 'words[at] = entryWords;',
    to: 'Atomics.store(words, 0, (tail + entryWords) | 0); words[at] = entryWords;',
  },
  {
    litmus: 'log',
    what: 'memory is given back when it was copied, not when it is on disk',
    file: LOG,
    from: 'const copied = this.#copy',
    to: 'Atomics.store(words, 32, tail);\n        const copied = this.#copy',
  },
  {
    litmus: 'log',
    what: 'an older position takes a newer tail back',
    file: LOG,
    from: 'while (((position - tail) | 0) > 0) {',
    to: 'for (;;) {',
  },
  {
    litmus: 'log',
    what: 'what an entry left unused is written too',
    file: LOG,
    from: 'if (words[67 /* Word.HAS_UNUSED */] !== 0 &&',
    to: 'if (words[67] === 2 &&',
  },
  {
    litmus: 'log',
    what: 'a durable position wakes nobody',
    file: LOG,
    from: 'Atomics.notify(this.words, 96 /* Word.DURABLE */);',
    to: '',
  },
  {
    litmus: 'log',
    what: 'one that takes over does not make durable what was given back',
    file: LOG,
    from: 'this.setDurable(Atomics.load(this.words, 32 /* Word.HEAD */));',
    to: '',
  },
];

/** Calls back with the address of a copy of the built code that has the fault. */
export async function withFault(
  { file, from, to }: Fault,
  use: (dist: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sessile-litmus-'));
  const root = fileURLToPath(new URL('../../', import.meta.url));
  try {
    cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
    cpSync(join(root, 'package.json'), join(folder, 'package.json'));
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    if (file !== undefined) {
      const path = join(folder, 'dist', file);
      const parts = readFileSync(path, 'utf8').split(from!);
      if (parts.length !== 2) throw new Error(`not once in ${file}: ${from}`);
      writeFileSync(path, parts.join(to));
    }
    await use(`${pathToFileURL(join(folder, 'dist')).href}/`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
