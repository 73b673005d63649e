/**
 * How many connections come from each address, so that no one of them takes all there are.
 *
 * Addresses of IPv6 count by their first 64 bits, which is what one customer of a network is given.
 * Loopback does not count: proxies, gateways and tools of the server's own machine all share it.
 */

/** Hexadecimal words of an IPv6 address that name the network. */
const NETWORK_WORDS = 4;

export class AddressCounts {
  readonly #counts = new Map<string, number>();

  constructor(readonly max: number) {}

  /** Takes a place for an address; false when it has as many as it may. */
  enter(key: string | undefined): boolean {
    if (key === undefined) return true;
    const count = this.#counts.get(key) ?? 0;
    if (count >= this.max) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  /** Gives the place back. */
  leave(key: string | undefined): void {
    if (key === undefined) return;
    const count = this.#counts.get(key) ?? 0;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
  }

  /** Addresses with connections. */
  get size(): number {
    return this.#counts.size;
  }
}

/** What an address counts as; undefined when it does not count: loopback, and no address at all. */
export function addressKey(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  if (isLoopback(plain)) return undefined;
  if (!plain.includes(':')) return plain;
  const [head, tail] = plain.split('%')[0].split('::');
  const before = head === '' ? [] : head.split(':');
  if (tail === undefined) return before.slice(0, NETWORK_WORDS).join(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = new Array(Math.max(0, 8 - before.length - after.length)).fill('0');
  return [...before, ...zeros, ...after].slice(0, NETWORK_WORDS).join(':');
}

/** Whether only programs of the same machine can reach, or have, an address or a name. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
