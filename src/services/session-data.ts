/**
 * The built-in service: a session's data is one msgpack map, written whole. Portable, and its
 * operations allocate nothing.
 */
import { Status } from '../core/codes.ts';
import type { ServiceContext } from './context.ts';
import type { Service } from './service.ts';

/** Answers with the body, byte for byte. */
function echo(context: ServiceContext): void {
  context.reply.copy(context.body.words, context.body.word, context.body.length);
}

/** `[version, data]`; data is an empty map until it is first written. */
function get(context: ServiceContext): void {
  const { data, reply } = context;
  reply.array(2);
  reply.uint(context.dataVersion);
  if (data.length === 0) reply.map(0);
  else reply.append(data.bytes, data.word * 4, data.length);
}

/** Replaces the data with the body, a map; answers the new version. */
function put(context: ServiceContext): void {
  const { body } = context;
  if (!isMap(body.first())) {
    context.status = Status.INVALID_BODY;
    return;
  }
  context.newData.copy(body.words, body.word, body.length);
  context.reply.uint(context.dataVersion + 1);
}

function isMap(first: number): boolean {
  return (first & 0xf0) === 0x80 || first === 0xde || first === 0xdf;
}

export const sessionData: Service = {
  name: 'session-data',
  portable: true,
  initialData: true,
  operations: {
    echo: { number: 0, unsequenced: true, readOnly: true, execute: echo },
    get: { number: 1, unsequenced: true, readOnly: true, execute: get },
    put: { number: 2, unsequenced: true, execute: put },
  },
};

export default sessionData;
