/**
 * A file system in memory that loses what a crash may lose. Each file has the bytes that the
 * system shows and those on the medium; between them lie the writes that were not synced, of which
 * any sectors may have arrived. Names are on the medium once their folder was synced; of the
 * changes since then a crash keeps the first few, in order.
 *
 * `plan` decides before each call whether it fails, takes less, or is where the machine stops.
 */
import { basename, dirname } from 'node:path';
import type { Disk } from '../../src/journal/disk.ts';

const SECTOR = 512;

export type CallKind = 'open' | 'write' | 'truncate' | 'sync' | 'rename' | 'remove' | 'syncFolder';

export interface Call {
  /** Which call it is, from 1; only those that change something count. */
  readonly number: number;
  readonly kind: CallKind;
  readonly name: string;
}

/** What becomes of a call: the machine stops, it fails with a code, or a write takes less. */
export type Fault = 'crash before' | 'crash after' | { code: string } | { bytes: number };

export type Plan = (call: Call) => Fault | undefined;

/** The machine has stopped: no call returns any more. */
export class Crash extends Error {}

interface Piece {
  readonly position: number;
  readonly bytes: Uint8Array;
}

class Inode {
  /** What the system shows. */
  bytes = new Uint8Array(0);
  /** What is on the medium. */
  medium = new Uint8Array(0);
  /** Since the last sync, in order; a truncation is a number. */
  unsynced: (Piece | number)[] = [];
  /** Changes before those. */
  #dropped = 0;

  constructor(public path: string) {}

  write(piece: Piece): void {
    this.bytes = withPiece(this.bytes, piece);
    this.unsynced.push(piece);
  }

  truncate(length: number): void {
    this.bytes = resized(this.bytes, length);
    this.unsynced.push(length);
  }

  sync(): void {
    this.medium = this.bytes.slice();
    this.#dropped += this.unsynced.length;
    this.unsynced = [];
  }

  /** Changes that were ever made, to sync up to here later. */
  get changes(): number {
    return this.#dropped + this.unsynced.length;
  }

  /** The same for what was written when so many changes had been made. */
  syncTo(changes: number): void {
    for (; this.#dropped < changes; this.#dropped++) {
      const change = this.unsynced.shift()!;
      const isTruncation = typeof change === 'number';
      this.medium = isTruncation ? resized(this.medium, change) : withPiece(this.medium, change);
    }
  }

  /** What a crash leaves: of each write any sectors, and of the last of them perhaps a part. */
  crashed(random: (below: number) => number): Inode {
    const left = new Inode(this.path);
    let bytes = this.medium;
    const luck = random(4);
    for (const change of this.unsynced) {
      if (typeof change === 'number') {
        if (random(2) === 0) bytes = resized(bytes, change);
        continue;
      }
      for (const piece of sectorsOf(change)) {
        const arrives = luck === 0 ? false : luck === 1 ? true : random(2) === 0;
        if (!arrives) continue;
        const isTorn = luck === 3 && random(4) === 0;
        const length = isTorn ? random(piece.bytes.length + 1) : piece.bytes.length;
        bytes = withPiece(bytes, { ...piece, bytes: piece.bytes.subarray(0, length) });
      }
    }
    left.bytes = bytes.slice();
    left.medium = bytes.slice();
    return left;
  }
}

interface NameChange {
  readonly folder: string;
  apply(names: Map<string, Inode>): void;
}

export class FaultyDisk implements Disk {
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #changes: NameChange[] = [];
  readonly #open = new Map<number, Inode>();
  #lastFile = 2;
  #later: (() => void)[] = [];
  plan: Plan = () => undefined;
  /** Whether `syncLater` waits for `settle`. */
  holdsSyncs = false;
  hasCrashed = false;
  calls = 0;

  #call(kind: CallKind, path: string, run: (fault: Fault | undefined) => number): number {
    if (this.hasCrashed) throw new Crash('the machine has stopped');
    this.calls += 1;
    const fault = this.plan({ number: this.calls, kind, name: basename(path) });
    if (fault === 'crash before') this.#stop();
    if (typeof fault === 'object' && 'code' in fault) {
      throw Object.assign(new Error(`${fault.code}: ${kind} ${path}`), { code: fault.code });
    }
    const result = run(fault);
    if (fault === 'crash after') this.#stop();
    return result;
  }

  #stop(): never {
    this.hasCrashed = true;
    throw new Crash('the machine stops here');
  }

  open(path: string, isNew: boolean): number {
    const known = this.#names.get(path);
    if (!isNew) return this.#opened(known ?? this.#missing(path));
    return this.#call('open', path, () => {
      if (known !== undefined) {
        known.truncate(0);
        return this.#opened(known);
      }
      const inode = new Inode(path);
      this.#change(path, (names) => names.set(path, inode));
      return this.#opened(inode);
    });
  }

  #opened(inode: Inode): number {
    if (this.hasCrashed) throw new Crash('the machine has stopped');
    this.#lastFile += 1;
    this.#open.set(this.#lastFile, inode);
    return this.#lastFile;
  }

  #missing(path: string): never {
    throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
  }

  #file(file: number): Inode {
    const found = this.#open.get(file);
    if (found !== undefined) return found;
    throw Object.assign(new Error(`EBADF: ${file}`), { code: 'EBADF' });
  }

  close(file: number): void {
    this.#file(file);
    this.#open.delete(file);
  }

  size(file: number): number {
    return this.#file(file).bytes.length;
  }

  read(file: number, bytes: Uint8Array, at: number, length: number, position: number): number {
    const inode = this.#file(file);
    const found = inode.bytes.subarray(position, position + length);
    bytes.set(found, at);
    return found.length;
  }

  write(file: number, bytes: Uint8Array, at: number, length: number, position: number): number {
    const inode = this.#file(file);
    return this.#call('write', inode.path, (fault) => {
      const isShort = typeof fault === 'object' && 'bytes' in fault;
      const taken = isShort ? Math.min(length, fault.bytes) : length;
      // A copy in any case: `slice` of a Buffer is none, and writers use their memory again.
      inode.write({ position, bytes: new Uint8Array(bytes.subarray(at, at + taken)) });
      return taken;
    });
  }

  truncate(file: number, length: number): void {
    const inode = this.#file(file);
    this.#call('truncate', inode.path, () => {
      inode.truncate(length);
      return 0;
    });
  }

  sync(file: number): void {
    this.#call('sync', this.#file(file).path, () => {
      // The number is looked up when the call runs, as a thread of the system would.
      this.#file(file).sync();
      return 0;
    });
  }

  /** A sync that begins now; its function ends it. What is written in between is not in it. */
  beginSync(file: number): () => void {
    const inode = this.#file(file);
    const { changes } = inode;
    return () => {
      this.#call('sync', inode.path, () => {
        inode.syncTo(changes);
        return 0;
      });
    };
  }

  writeLater(
    file: number,
    bytes: Uint8Array,
    at: number,
    length: number,
    position: number,
    done: (error: Error | null, written: number) => void,
  ): void {
    let written = 0;
    try {
      written = this.write(file, bytes, at, length, position);
    } catch (error) {
      if (error instanceof Crash) return;
      return done(error as Error, 0);
    }
    done(null, written);
  }

  syncLater(file: number, done: (error: Error | null) => void): void {
    this.#later.push(() => {
      let problem: Error | null = null;
      try {
        this.sync(file);
      } catch (error) {
        if (error instanceof Crash) return;
        problem = error as Error;
      }
      done(problem);
    });
    if (!this.holdsSyncs) this.settle();
  }

  /** Completes the syncs that were asked for; true if there were any. */
  settle(): boolean {
    const later = this.#later;
    this.#later = [];
    for (const run of later) if (!this.hasCrashed) run();
    return later.length > 0;
  }

  /** Forgets the syncs that were asked for, as when the thread that asked is gone. */
  dropSyncs(): void {
    this.#later = [];
  }

  list(folder: string): string[] {
    const names = [...this.#names.keys()].filter((path) => dirname(path) === folder);
    return names.map((path) => basename(path)).sort();
  }

  makeFolder(): void {}

  rename(from: string, to: string): void {
    this.#call('rename', to, () => {
      const inode = this.#names.get(from) ?? this.#missing(from);
      inode.path = to;
      this.#change(to, (names) => {
        names.delete(from);
        names.set(to, inode);
      });
      return 0;
    });
  }

  remove(path: string): void {
    this.#call('remove', path, () => {
      if (!this.#names.has(path)) this.#missing(path);
      this.#change(path, (names) => names.delete(path));
      return 0;
    });
  }

  #change(path: string, apply: (names: Map<string, Inode>) => unknown): void {
    apply(this.#names);
    this.#changes.push({ folder: dirname(path), apply });
  }

  syncFolder(folder: string): void {
    this.#call('syncFolder', folder, () => {
      for (const one of this.#changes) if (one.folder === folder) one.apply(this.#durableNames);
      this.#changes = this.#changes.filter((one) => one.folder !== folder);
      return 0;
    });
  }

  /** What is found after the machine has stopped, with `random` to say what had arrived. */
  crash(random: (below: number) => number): FaultyDisk {
    const names = new Map(this.#durableNames);
    const kept = random(this.#changes.length + 1);
    for (const change of this.#changes.slice(0, kept)) change.apply(names);
    const left = new FaultyDisk();
    for (const [path, inode] of names) left.#put(path, inode.crashed(random));
    return left;
  }

  /** What another process finds after this one was killed: the system goes on, and lost nothing. */
  restarted(): FaultyDisk {
    const next = new FaultyDisk();
    this.hasCrashed = true;
    next.#names = this.#names;
    next.#durableNames = this.#durableNames;
    next.#changes = this.#changes;
    return next;
  }

  /** The same files again, all on the medium. */
  copy(): FaultyDisk {
    const copy = new FaultyDisk();
    for (const [path, inode] of this.#names) {
      const same = new Inode(path);
      same.bytes = inode.bytes.slice();
      same.sync();
      copy.#put(path, same);
    }
    return copy;
  }

  #put(path: string, inode: Inode): void {
    this.#names.set(path, inode);
    this.#durableNames.set(path, inode);
  }

  /** What a file holds, and a way to change it behind everybody's back. */
  contents(path: string): Uint8Array {
    return (this.#names.get(path) ?? this.#missing(path)).bytes;
  }

  replace(path: string, bytes: Uint8Array): void {
    const inode = new Inode(path);
    inode.bytes = bytes.slice();
    inode.sync();
    this.#put(path, inode);
  }

  forget(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  /** Everything that the system shows, to be compared. */
  image(): Map<string, string> {
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
    return new Map([...this.#names].sort().map(([path, { bytes }]) => [path, hex(bytes)]));
  }

  /** Files that were opened and not closed. */
  get openFiles(): number {
    return this.#open.size;
  }
}

function sectorsOf({ position, bytes }: Piece): Piece[] {
  const pieces: Piece[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, SECTOR - ((position + at) % SECTOR));
    pieces.push({ position: position + at, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return pieces;
}

function resized(bytes: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(length);
  result.set(bytes.subarray(0, length));
  return result;
}

function withPiece(bytes: Uint8Array, piece: Piece): Uint8Array<ArrayBuffer> {
  if (piece.bytes.length === 0) return resized(bytes, bytes.length);
  const end = piece.position + piece.bytes.length;
  const result = resized(bytes, Math.max(bytes.length, end));
  result.set(piece.bytes, piece.position);
  return result;
}
