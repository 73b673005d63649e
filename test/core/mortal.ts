/** Threads that die before a write of theirs: memory and a ledger that count the writes. */
import { Ledger } from '../../src/core/ledger.ts';

export class Death extends Error {}

/** How many more writes a thread lives for. */
export class Life {
  constructor(private left: number) {}

  spend(): void {
    if (this.left === 0) throw new Death('the thread died');
    this.left -= 1;
  }
}

/** A view that throws before a write; those that are `isPaired` with one before are not counted. */
export function mortal<T extends Int32Array | Float64Array>(
  view: T,
  life: Pick<Life, 'spend'>,
  isPaired: (at: number, value: number) => boolean = () => false,
): T {
  return new Proxy(view, {
    set(target, key, value) {
      if (!isPaired(Number(key), value)) life.spend();
      target[Number(key)] = value;
      return true;
    },
  });
}

/** Dies before it changes anything. */
export class MortalLedger extends Ledger {
  constructor(
    memory: SharedArrayBuffer,
    readonly life: Life,
  ) {
    super(memory);
  }

  override take(): boolean {
    this.life.spend();
    return super.take();
  }

  override give(count: number): void {
    this.life.spend();
    super.give(count);
  }

  override defer(): void {
    this.life.spend();
    super.defer();
  }

  override giveDeferred(count: number): void {
    this.life.spend();
    super.giveDeferred(count);
  }

  override publish(shard: number, boundMs: number): void {
    this.life.spend();
    super.publish(shard, boundMs);
  }
}
