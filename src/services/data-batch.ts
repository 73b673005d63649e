/**
 * Several operations of the built-in service as one: each sees what those before it changed, and
 * either all of them take effect, in one commit, or none does.
 *
 * They run in a context of their own over scratch memory, so that nothing of a batch shows outside
 * before its end. An operation is synchronous, so one context for each thread is enough.
 */
import { Status } from '../core/codes.ts';
import { TTL_NEVER } from '../core/limits.ts';
import { ServiceContext } from './context.ts';
import { keepStatus, refuse } from './data-bodies.ts';
import { ValueReader } from './value-reader.ts';

/** A batch is one step that nothing interrupts: 64 keep it short, and suffice for a round trip. */
const BATCH_OPERATIONS_MAX = 64;

/** An operation, given the version that the data has once the commit it is part of wrote it. */
export type DataOperation = (context: ServiceContext, nextVersion: number) => void;

const NO_MEMORY = new ArrayBuffer(0);
const REFUSAL = `batch takes an array of at most ${BATCH_OPERATIONS_MAX} [operation, body]`;

export class Batch {
  /** What a batch may contain, by number and by name. */
  readonly #operations: ReadonlyMap<string | number, DataOperation>;
  readonly #inner = new ServiceContext();
  readonly #reader = new ValueReader();
  #words = new Int32Array(NO_MEMORY);
  #bytes = new Uint8Array(NO_MEMORY);
  /** Where the scratch memory's regions start: one for replies, and two for data, used in turn. */
  #replyWord = 0;
  #dataWord = 0;
  #spareDataWord = 0;

  constructor(operations: ReadonlyMap<string | number, DataOperation>) {
    this.#operations = operations;
  }

  /** An array of `[operation, body]` → an array of results. */
  execute(context: ServiceContext): void {
    try {
      this.#execute(context);
    } finally {
      // The memory of an engine that is closed must not live on in here.
      this.#reader.release();
      this.#inner.data.words = this.#words;
      this.#inner.data.bytes = this.#bytes;
    }
  }

  #execute(context: ServiceContext): void {
    const { body, reply, newData } = context;
    const reader = this.#reader;
    reader.aim(body.bytes, body.word * 4, body.length);
    const count = body.length === 0 ? -1 : reader.array();
    if (count < 0 || count > BATCH_OPERATIONS_MAX) return refuse(context, REFUSAL, 'invalid_body');
    this.#makeRoom(context);
    this.#enter(context);
    const inner = this.#inner;
    // One commit counts as one write, however many operations of the batch write.
    const nextVersion = context.dataVersion + 1;
    let isWritten = false;
    let ttlMs = -1;
    reply.array(count);
    for (let index = 0; index < count; index++) {
      this.#run(nextVersion, reply.capacity, newData.capacity);
      if (inner.sealedStatus !== Status.OK) return fail(context, index, inner);
      appendReply(context, inner);
      if (inner.newTtlMs >= 0) {
        ttlMs = inner.newTtlMs;
        inner.ttlMs = ttlMs;
      }
      if (!inner.newData.written) continue;
      isWritten = true;
      this.#takeData(nextVersion);
    }
    if (isWritten) newData.copy(inner.data.words, inner.data.word, inner.data.length);
    if (ttlMs >= 0) context.setTtl(ttlMs === TTL_NEVER ? null : ttlMs);
  }

  /** Lays out the scratch memory, and makes more of it if a batch needs more than any before. */
  #makeRoom({ body, reply, newData }: ServiceContext): void {
    this.#replyWord = wordsOf(body.length);
    this.#dataWord = this.#replyWord + wordsOf(reply.capacity);
    this.#spareDataWord = this.#dataWord + wordsOf(newData.capacity);
    const words = this.#spareDataWord + wordsOf(newData.capacity);
    if (words <= this.#words.length) return;
    const memory = new ArrayBuffer(words * 4);
    this.#words = new Int32Array(memory);
    this.#bytes = new Uint8Array(memory);
  }

  /** Lets the operations see what the batch sees. */
  #enter(context: ServiceContext): void {
    const inner = this.#inner;
    inner.body.words = this.#words;
    inner.body.bytes = this.#bytes;
    inner.data.words = context.data.words;
    inner.data.bytes = context.data.bytes;
    inner.data.word = context.data.word;
    inner.data.length = context.data.length;
    inner.dataVersion = context.dataVersion;
    inner.nowMs = context.nowMs;
    inner.createdMs = context.createdMs;
    inner.activeMs = context.activeMs;
    inner.wallOffsetMs = context.wallOffsetMs;
    inner.ttlMs = context.ttlMs;
    inner.capabilities = context.capabilities;
    inner.capabilityNames = context.capabilityNames;
    inner.sequenced = context.sequenced;
    inner.request = context.request;
    inner.lastRequest = context.lastRequest;
    inner.session = context.session;
    inner.id0 = context.id0;
    inner.id1 = context.id1;
    inner.id2 = context.id2;
    inner.id3 = context.id3;
  }

  /** Runs the operation that comes next; its status, reply and new data are left in the context. */
  #run(nextVersion: number, replyCapacity: number, dataCapacity: number): void {
    const inner = this.#inner;
    inner.reply.aim(this.#words, this.#bytes, this.#replyWord, replyCapacity);
    inner.newData.aim(this.#words, this.#bytes, this.#dataWord, dataCapacity);
    inner.open();
    if (this.#reader.array() !== 2) {
      refuse(inner, 'an element of a batch is [operation, body]', 'invalid_body');
    } else {
      const operation = this.#operation();
      if (operation === undefined) {
        refuse(inner, 'no operation that a batch may contain', 'invalid_body');
      } else {
        this.#takeBody();
        operation(inner, nextVersion);
      }
    }
    inner.seal();
  }

  /** The operation that the next value names, by its name or its number. */
  #operation(): DataOperation | undefined {
    const reader = this.#reader;
    const length = reader.string();
    if (length < 0) return this.#operations.get(reader.whole());
    const name = reader.text(reader.at, length);
    reader.at += length;
    return this.#operations.get(name);
  }

  /** Copies the body that comes next to the start of a word, where operations expect bodies. */
  #takeBody(): void {
    const reader = this.#reader;
    const start = reader.at;
    reader.skip();
    const length = reader.at - start;
    for (let i = 0; i < length; i++) this.#bytes[i] = reader.bytes[start + i];
    this.#inner.body.length = length;
  }

  /** Makes the data that an operation wrote the one that those after it see. */
  #takeData(version: number): void {
    const { data, newData } = this.#inner;
    data.words = this.#words;
    data.bytes = this.#bytes;
    data.word = this.#dataWord;
    data.length = newData.length;
    this.#inner.dataVersion = version;
    this.#dataWord = this.#spareDataWord;
    this.#spareDataWord = data.word;
  }
}

function wordsOf(bytes: number): number {
  return (bytes + 3) >>> 2;
}

function appendReply({ reply }: ServiceContext, inner: ServiceContext): void {
  reply.append(inner.reply.bytes, inner.reply.word * 4, inner.reply.length);
}

/** The batch fails as one of its operations did: `[index, that operation's result]`. */
function fail(context: ServiceContext, index: number, inner: ServiceContext): void {
  context.status = inner.sealedStatus;
  context.reply.clear();
  context.reply.array(2);
  context.reply.uint(index);
  appendReply(context, inner);
  keepStatus(context);
}
