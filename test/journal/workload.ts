/**
 * A seeded workload over a rig: steps that clients, operators and clocks take, with batches,
 * syncs and slices of the cleaner in between. The same seed takes the same steps.
 */
import { Admission, Verdict } from '../../src/core/codes.ts';
import { TTL_NEVER } from '../../src/core/limits.ts';
import { LogState } from '../../src/core/log-buffer.ts';
import { CloseFlag, Kind, RegisterFlag } from '../../src/core/message.ts';
import type { SessionTable } from '../../src/core/session-table.ts';
import * as h from '../core/helpers.ts';
import type { FaultyDisk } from './faulty-disk.ts';
import { Oracle } from './oracle.ts';
import type { Rig, Shard } from './rig.ts';

type Random = (below: number) => number;

const TICK_MS = 2 ** -16;
const TTLS = [300, 900, 4_000, 60_000, TTL_NEVER];
const RATES = [undefined, undefined, undefined, [5, 3], [1000, 100]] as const;

export interface Weights {
  /** Whether the time of day is set now and then. */
  setsWall?: boolean;
  ids?: number;
  /** How much time passes with each step at least. */
  tickMs?: number;
}

export class Workload {
  readonly oracles: Oracle[];
  readonly #random: Random;
  readonly #ids: number;
  readonly #setsWall: boolean;
  readonly #tickMs: number;

  constructor(
    readonly rig: Rig,
    readonly disk: FaultyDisk,
    seed: number,
    weights: Weights = {},
  ) {
    this.#random = h.random(seed);
    this.#ids = weights.ids ?? 9;
    this.#setsWall = weights.setsWall ?? false;
    this.#tickMs = weights.tickMs ?? TICK_MS;
    this.oracles = rig.shards.map((shard) => new Oracle(rig, shard));
  }

  /** Takes steps until they are done or the machine stops. */
  run(steps: number): void {
    for (let i = 0; i < steps && !this.disk.hasCrashed; i++) this.step();
  }

  step(): void {
    const { rig } = this;
    // As the clock of an engine does, so that no two commits are of one time.
    rig.world.ms += this.#tickMs;
    rig.tick();
    this.#drive();
    if (this.disk.hasCrashed) return;
    const shard = rig.shardOf(1 + this.#random(this.#ids));
    const canRun = rig.shards.every(({ table }) => table.log!.hasRoom() && table.log!.isWritable);
    if (canRun) this.#operate(shard);
    this.#observe();
  }

  /** What threads do between messages. */
  #drive(): void {
    const { rig } = this;
    const roll = this.#random(6);
    if (roll < 3) rig.publish();
    if (roll < 2) rig.pump();
    if (this.disk.holdsSyncs && this.#random(3) === 0) this.disk.settle();
    if (roll === 2 || rig.shards.some(({ table }) => !table.log!.hasRoom())) {
      rig.publish();
      rig.pump();
      this.disk.settle();
    }
    if (this.disk.hasCrashed) return;
    // A slice ends before messages are run, so its entries are an operation of their own.
    if (rig.clean()) this.#observe();
  }

  #observe(): void {
    for (const oracle of this.oracles) oracle.observe();
  }

  /** Writes what is left and cleans as much as is wanted. */
  rest(): void {
    for (let i = 0; i < 200 && !this.disk.hasCrashed; i++) {
      const { rig } = this;
      rig.flush();
      const settled = this.disk.settle();
      const isIdle = rig.shards.every(({ writer, buffer }) => {
        return writer.isIdle || buffer.state !== LogState.OK;
      });
      const cleaned = !this.disk.hasCrashed && rig.clean();
      this.#observe();
      if (!settled && !cleaned && isIdle) return;
    }
  }

  #operate(shard: Shard): void {
    const roll = this.#random(20);
    const { table } = shard;
    const id = this.#idIn(shard);
    if (roll < 4) this.#register(id);
    else if (roll < 10) this.#request(table, id);
    else if (roll < 14) this.#call(table, id);
    else if (roll === 14) this.#close(table, id);
    else if (roll === 15) this.#sweep(table);
    else if (roll === 16 && this.#random(2) === 0) this.#evict();
    else this.#clocks();
  }

  #idIn(shard: Shard): number {
    for (;;) {
      const id = 1 + this.#random(this.#ids);
      if (this.rig.shardOf(id) === shard) return id;
    }
  }

  #payload(): string {
    return String.fromCharCode(97 + this.#random(26)).repeat(this.#random(64));
  }

  #register(id: number): void {
    const ttlMs = TTLS[this.#random(TTLS.length)];
    const rate = RATES[this.#random(RATES.length)];
    const hasData = this.#random(2) === 0;
    const isBound = this.#random(6) === 0;
    const flags = (hasData ? RegisterFlag.DATA : 0) | (isBound ? RegisterFlag.CONNECTION : 0);
    const fields = { id, ttlMs, flags, capabilities: this.#random(8) };
    const body = hasData ? this.#payload() : '';
    const all = rate === undefined ? { ...fields, body } : { ...fields, body, rate };
    const { admission } = h.admit(this.rig.tables, all);
    if (admission === Admission.NO_ROOM) throw new Error('nothing is pinned here');
  }

  #slotOf(table: SessionTable, id: number): number {
    return h.orderOf(table).find((slot) => h.idOf(table, slot) === id) ?? -1;
  }

  #request(table: SessionTable, id: number): void {
    const slot = this.#slotOf(table, id);
    if (slot < 0) return;
    const session = h.sessionOf(table, slot);
    const request = h.requestOf(table, slot) + 1;
    const m = h.message(table, { id, session, request, body: this.#payload() });
    if (table.begin(m) !== Verdict.EXECUTE) return;
    table.pay(slot, m);
    const data = this.#random(2) === 0 ? this.#payload() : undefined;
    const touches = this.#random(5) > 0;
    const ttlMs = this.#random(8) === 0 ? TTLS[this.#random(TTLS.length)] : -1;
    h.commit(table, slot, this.#payload(), data, this.#random(4), touches, ttlMs);
  }

  #call(table: SessionTable, id: number): void {
    const m = h.message(table, { id, kind: Kind.CALL });
    if (table.beginCall(m) !== Verdict.EXECUTE) return;
    const { slot } = table;
    table.pay(slot, m);
    const data = this.#random(3) === 0 ? this.#payload() : undefined;
    const ttlMs = this.#random(6) === 0 ? TTLS[this.#random(TTLS.length)] : -1;
    h.commitCall(table, slot, data, this.#random(4) > 0, ttlMs);
  }

  #close(table: SessionTable, id: number): void {
    const flags = this.#random(2) === 0 ? CloseFlag.REMOVED : CloseFlag.DISCONNECTED;
    table.close(h.message(table, { id, kind: Kind.CLOSE, flags }));
  }

  #sweep(table: SessionTable): void {
    table.wheel.advance();
    while (table.sweep(10) && table.log!.hasRoom());
  }

  #evict(): void {
    h.evictOne(this.rig.tables);
  }

  #clocks(): void {
    const { world } = this.rig;
    world.ms += [1, 20, 37.5, 90, 400][this.#random(5)];
    if (this.#setsWall && this.#random(4) === 0) world.wallMs += this.#random(4_000) - 2_000;
  }
}
