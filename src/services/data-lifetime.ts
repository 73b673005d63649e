/** Operations on how long a session lives, and on what is known about it. */
import { TTL_MS_MAX, TTL_NEVER } from '../core/limits.ts';
import type { ServiceContext } from './context.ts';
import { refuse, takesNothing } from './data-bodies.ts';
import { namesOf } from './service.ts';
import { ValueReader } from './value-reader.ts';
import type { ValueWriter } from './value-writer.ts';
import { encodeValue } from './values.ts';

const reader = new ValueReader();

/** The names of the fields that `info` answers, encoded once. */
const CREATED = encodeValue('created_ms');
const LAST_ACTIVITY = encodeValue('last_activity_ms');
const TTL = encodeValue('ttl_ms');
const EXPIRES_IN = encodeValue('expires_in_ms');
const VERSION = encodeValue('version');
const DATA_BYTES = encodeValue('data_bytes');
const SESSION = encodeValue('session');
const REQUEST = encodeValue('request');
const CAPABILITIES = encodeValue('capabilities');
const FIELDS = 9;

/** Sets the session's idle time to live, in milliseconds; nil stands for never. */
export function setTtl(context: ServiceContext): void {
  if (takesNothing(context)) return context.setTtl(null);
  const { body } = context;
  reader.aim(body.bytes, body.word * 4, body.length);
  const ttlMs = reader.whole();
  reader.release();
  if (ttlMs >= 1 && ttlMs <= TTL_MS_MAX) return context.setTtl(ttlMs);
  refuse(context, 'set_ttl takes milliseconds from 1 to 2^32 - 2, or nil', 'invalid_body');
}

/** What is known about the session, as it was before this operation prolonged it. */
export function info(context: ServiceContext): void {
  if (!takesNothing(context)) return refuse(context, 'info takes nil', 'invalid_body');
  const { reply, wallOffsetMs, ttlMs, activeMs } = context;
  reply.map(FIELDS);
  field(context, CREATED).uint(Math.floor(context.createdMs + wallOffsetMs));
  field(context, LAST_ACTIVITY).uint(Math.floor(activeMs + wallOffsetMs));
  if (ttlMs === TTL_NEVER) {
    field(context, TTL).nil();
    field(context, EXPIRES_IN).nil();
  } else {
    field(context, TTL).uint(ttlMs);
    field(context, EXPIRES_IN).uint(Math.max(0, Math.ceil(activeMs + ttlMs - context.nowMs)));
  }
  field(context, VERSION).uint(context.dataVersion);
  field(context, DATA_BYTES).uint(context.data.length);
  field(context, SESSION).uint(context.session);
  field(context, REQUEST).uint(context.lastRequest);
  field(context, CAPABILITIES);
  capabilities(context);
}

/** Writes a field's name; its value is to follow. */
function field({ reply }: ServiceContext, name: Uint8Array): ValueWriter {
  reply.append(name, 0, name.byteLength);
  return reply;
}

/** The names of the capabilities that the session was granted. */
function capabilities(context: ServiceContext): void {
  const granted = namesOf(context.capabilities, context.capabilityNames);
  context.reply.array(granted.length);
  for (const name of granted) field(context, encodeValue(name));
}
