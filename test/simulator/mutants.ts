/**
 * Mistakes that this code could hold, each put into a copy of it by replacing one text: the
 * simulator must find every one of them. `breaks` names the guarantee of docs/testing.md.
 */
export interface Mutant {
  readonly name: string;
  readonly breaks: string;
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a request that skips a number executes',
    breaks: 'G3',
    file: 'src/core/session-table.ts',
    find: 'if (number === ((last + 1) | 0) && last !== -1) {',
    replace: 'if (number >>> 0 > last >>> 0) {',
  },
  {
    name: 'a number that was used gives its reply to another body too',
    breaks: 'G2',
    file: 'src/core/session-table.ts',
    find: `words[row + Row.CHECKSUM_LOW] !== m.checksumLow ||
      words[row + Row.CHECKSUM_HIGH] !== m.checksumHigh`,
    replace: 'row < 0',
  },
  {
    name: 'a client frees a number though a copy of its frame is unanswered',
    breaks: 'G1',
    file: 'src/transport/client/sequencer.ts',
    find: 'if (isOpen || isPassing(error)) {',
    replace: 'if (isPassing(error)) {',
  },
  {
    name: 'a duplicate executes again',
    breaks: 'G1',
    file: 'src/core/session-table.ts',
    find: 'if (number === ((last + 1) | 0) && last !== -1) {',
    replace: 'if (number === ((last + 1) | 0) || (number === last && last !== 0)) {',
  },
  {
    name: 'an older session number is not fenced off',
    breaks: 'G4',
    file: 'src/core/session-table.ts',
    find: 'if (apart !== 0) return this.#wrongSession(apart);\n    const last',
    replace: 'const last',
  },
  {
    name: 'a joined request is taken for a new one',
    breaks: 'G3',
    file: 'src/core/session-table.ts',
    find: 'if ((flags & RowFlag.EXECUTING) !== 0) return this.#join(row, m);',
    replace: '',
  },
  {
    name: 'a commit leaves its session where it stood in the order',
    breaks: 'G6',
    file: 'src/core/session-table.ts',
    find: 'this.order.moveToNewest(slot);',
    replace: '',
  },
  {
    name: 'a register does not ask for a place of the global limit',
    breaks: 'G5',
    file: 'src/core/session-table.ts',
    find: 'if (!this.ledger.take()) return Admission.NO_ROOM;',
    replace: 'this.ledger.take();',
  },
  {
    name: 'the second oldest session is evicted',
    breaks: 'G6',
    file: 'src/core/victims.ts',
    find: 'if ((flags & RowFlag.EXECUTING) === 0) return slot;',
    replace: `if ((flags & RowFlag.EXECUTING) === 0) {
        const second = this.#order.newerThan(slot);
        return second === this.#order.sentinel ? slot : second;
      }`,
  },
  {
    name: 'a shard evicts its oldest though another shard has an older one',
    breaks: 'G6',
    file: 'src/core/endings.ts',
    find: 'if (time > limitMs || (onlyExpired && !isExpired)) {',
    replace: 'if (onlyExpired && !isExpired) {',
  },
  {
    name: 'a session that executes can be evicted and expires',
    breaks: 'G9',
    file: 'src/core/victims.ts',
    find: 'if ((flags & RowFlag.EXECUTING) === 0) return slot;',
    replace: 'return slot;',
  },
  {
    name: 'an eviction does not ask whether a place has become free',
    breaks: 'G5',
    file: 'src/workers/executor.ts',
    find: 'if (ledger.sessions() < ledger.sessionsMax) return Ran.EVICTED;',
    replace: '',
  },
  {
    name: 'an expired session is found',
    breaks: 'G8',
    file: 'src/core/session-table.ts',
    find: 'if (slot >= 0 && this.#endings.isExpired(slot)) {',
    replace: 'if (slot < 0 && this.#endings.isExpired(slot)) {',
  },
  {
    name: 'a commit does not prolong its session',
    breaks: 'G8',
    file: 'src/core/slot-commit.ts',
    find: 'floats[Header.INTENT_DEADLINE / 2] = isKept ? kept : deadline;',
    replace: 'floats[Header.INTENT_DEADLINE / 2] = newTtlMs < 0 ? kept : deadline;',
  },
  {
    name: 'an operation that throws keeps its data',
    breaks: 'G12',
    file: 'src/services/context.ts',
    find: 'fail(error: unknown): void {\n    this.newData.clear();',
    replace: 'fail(error: unknown): void {',
  },
  {
    name: 'a reply that is too large keeps its data',
    breaks: 'G12',
    file: 'src/services/context.ts',
    find: 'reply.clear();\n      newData.clear();',
    replace: 'reply.clear();',
  },
  {
    name: "a reply is read from another session's slot",
    breaks: 'G2',
    file: 'src/workers/answering.ts',
    find: 'a.bodyWord = arena.replyAt(slot);',
    replace: 'a.bodyWord = arena.replyAt(0);',
  },
  {
    name: 'the end of a session is told to nobody who did not ask',
    breaks: 'G7',
    file: 'src/workers/answering.ts',
    find: 'if (ended.token === 0 ||',
    replace: 'if (frontEnd !== -1 ||',
  },
  {
    name: 'answers are given before what they tell is on disk',
    breaks: 'G11',
    file: 'src/core/log-buffer.ts',
    find: 'const ahead = (position - durable) | 0;\n',
    replace: 'const ahead = Math.min(0, position - durable);\n',
  },
  {
    name: 'a batch is durable before it is synced',
    breaks: 'G11',
    file: 'src/journal/file-log.ts',
    find: 'if (this.#config.syncs) this.sync(done);\n    else done(Appended.DONE);',
    replace: 'done(Appended.DONE);',
  },
  {
    name: 'a segment is used before its name is on disk',
    breaks: 'G11',
    file: 'src/journal/directory.ts',
    find: `disk.rename(path + TEMPORARY, path);
    disk.syncFolder(folder);`,
    replace: 'disk.rename(path + TEMPORARY, path);',
  },
  {
    name: 'a block is taken for whole without its checksum',
    breaks: 'G11',
    file: 'src/journal/segment-reader.ts',
    find: 'return isBlock(this.#bytes, offset - this.#from, block.length, seed) ?',
    replace: 'return seed >= 0 ?',
  },
  {
    name: 'the end of a session is not logged',
    breaks: 'G11',
    file: 'src/core/session-log.ts',
    find: 'const at = fillEnd(this.buffer, this.#arena, this.#words, row,',
    replace: 'const at = fillEnd(this.buffer, this.#arena, NO_SESSION, 0 * row,',
  },
  {
    name: 'a place whose end is on disk is not given back',
    breaks: 'liveness',
    file: 'src/journal/log-writer.ts',
    find: 'this.#places = this.#buffer.countMarked(this.#tail, GIVES_PLACE);',
    replace: 'this.#places = this.#buffer.countMarked(this.#tail, GIVES_PLACE) >>> 1;',
  },
  {
    name: 'segments are removed before what they held is written again',
    breaks: 'G11',
    file: 'src/journal/cleaner.ts',
    find: 'if (!log!.rewrite(this.#slot, this.#segment)) continue;',
    replace: 'if (this.#segment > -2) continue;',
  },
  {
    name: 'a batch begins while another is under way',
    breaks: 'G11',
    file: 'src/journal/log-writer.ts',
    find: 'if (this.#isBusy || !buffer.hasEntries()',
    replace: 'if (!buffer.hasEntries()',
  },
  {
    name: 'a request that a dead worker had begun runs again',
    breaks: 'G1',
    file: 'src/workers/take-over.ts',
    find: 'for (const request of abandoned) commitAsFailed(executor, request);',
    replace: 'for (const request of abandoned) executor.table.abort(request.slot);',
  },
  {
    name: 'a sleeping thread is not woken',
    breaks: 'liveness',
    file: 'src/workers/doorbell.ts',
    find: 'if (Atomics.load(words, Word.SLEEPING) === 0) return;',
    replace: 'if (words.length > 0) return;',
  },
  {
    name: 'a front end is not woken when what it waits for is durable',
    breaks: 'liveness',
    file: 'src/workers/shard-loop.ts',
    find: 'readonly #logged = (): void => {\n    this.#outboxes.ringAll();',
    replace: 'readonly #logged = (): void => {',
  },
  {
    name: 'a record that ends with the ring is put one place too far',
    breaks: 'G13',
    file: 'src/workers/ring.ts',
    find: 'if (contiguous < needed) {',
    replace: 'if (contiguous < needed - 2) {',
  },
  {
    name: 'a ring forgets that its end was passed over',
    breaks: 'G13',
    file: 'src/workers/ring.ts',
    find: 'words[DATA + index + 1] = PADDING;',
    replace: 'words[DATA + index + 1] = words[DATA + index + 1] === PADDING ? PADDING : 1;',
  },
  {
    name: 'recovery takes half of their time from sessions',
    breaks: 'G8',
    file: 'src/core/log-replay.ts',
    find: 'floats[deadline] = Math.min(floats[deadline] + slack, latest);',
    replace: 'floats[deadline] -= ttl === TTL_NEVER ? 0 : ttl / 2;',
  },
  {
    name: 'a session outlives the connection that it is bound to',
    breaks: 'scope',
    file: 'src/workers/router.ts',
    find: 'this.#orphans.add(session);\n    this.#scheduleRetry();',
    replace: 'if (session === undefined) this.#scheduleRetry();',
  },
  {
    name: 'the begin of a length that is split is dropped',
    breaks: 'liveness',
    file: 'src/transport/frame-buffer.ts',
    find: 'this.#headerLength = rest;',
    replace: 'this.#headerLength = rest > 1 ? 0 : rest;',
  },
  {
    name: 'what the system did not take of a write is dropped',
    breaks: 'liveness',
    file: 'src/transport/output.ts',
    find: 'if (taken < at) {',
    replace: 'if (taken === 0 && at > 0) {',
  },
  {
    name: 'a client takes a late reply for that of its next session',
    breaks: 'G1',
    file: 'src/transport/client/session-core.ts',
    find: 'this.sequencer.begin(last, this.hub.left.take(this.identity.text, session));',
    replace: 'this.sequencer.begin(last, undefined);',
  },
];
