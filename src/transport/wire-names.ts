/**
 * Names of fields in code and on the wire: `idleMs` there is `idle_ms` here.
 */

/** A value with the names of all its maps as on the wire. What is no plain map stays as it is. */
export function snakeCased(value: unknown): unknown {
  return renamed(value, (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
}

/** The other way round. */
export function camelCased(value: unknown): unknown {
  return renamed(value, (name) =>
    name.replace(/_([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase()),
  );
}

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename));
  if (!isMap(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([name, item]) => [rename(name), renamed(item, rename)]));
}

function isMap(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]';
}
