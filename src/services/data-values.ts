/** Operations on a session's data as a whole. They allocate nothing, unless they refuse a body. */
import type { ServiceContext } from './context.ts';
import { isMap, refuse, takesNothing } from './data-bodies.ts';
import { ValueReader } from './value-reader.ts';

const reader = new ValueReader();

/** Answers with the body, byte for byte. */
export function echo(context: ServiceContext): void {
  context.reply.copy(context.body.words, context.body.word, context.body.length);
}

/** `[version, data]`; data is an empty map until it is first written. */
export function get(context: ServiceContext): void {
  if (!takesNothing(context)) return refuse(context, 'get and peek take nil', 'invalid_body');
  const { data, reply } = context;
  reply.array(2);
  reply.uint(context.dataVersion);
  if (data.length === 0) reply.map(0);
  else reply.append(data.bytes, data.word * 4, data.length);
}

/** Replaces the data with the body, a map; answers the new version. */
export function put(context: ServiceContext, nextVersion: number): void {
  const { body } = context;
  if (!isMap(body.first())) return refuse(context, 'put takes a map', 'invalid_body');
  context.newData.copy(body.words, body.word, body.length);
  context.reply.uint(nextVersion);
}

/** `[expected version, map]`: a put, if the data still has the version that the client saw. */
export function putIf(context: ServiceContext, nextVersion: number): void {
  const { body, dataVersion } = context;
  reader.aim(body.bytes, body.word * 4, body.length);
  const expected = body.length > 0 && reader.array() === 2 ? reader.whole() : -1;
  const { at, end } = reader;
  const isPut = expected >= 0 && isMap(body.bytes[at]);
  reader.release();
  if (!isPut) return refuse(context, 'put_if takes [expected version, map]', 'invalid_body');
  if (expected !== dataVersion) return refuse(context, dataVersion, 'conflict');
  context.newData.append(body.bytes, at, end - at);
  context.reply.uint(nextVersion);
}

/** Does nothing, which is enough to prolong the session. */
export function touch(context: ServiceContext): void {
  if (!takesNothing(context)) refuse(context, 'touch takes nil', 'invalid_body');
}
