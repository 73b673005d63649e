/** What the operations of the built-in service share: telling bodies apart, and refusing them. */
import type { StatusName } from '../core/codes.ts';
import type { ServiceContext } from './context.ts';

/** The operation takes nothing: its body is nil, or there is none. */
export function takesNothing(context: ServiceContext): boolean {
  const { body } = context;
  return body.length === 0 || (body.length === 1 && body.first() === 0xc0);
}

export function isMap(first: number): boolean {
  return (first & 0xf0) === 0x80 || first === 0xde || first === 0xdf;
}

/** Replies with why the operation did nothing. */
export function refuse(context: ServiceContext, why: unknown, status: StatusName): void {
  context.replyWith(why, status);
  keepStatus(context);
}

/** A reply limit below the length of an explanation must not turn its status into another. */
export function keepStatus(context: ServiceContext): void {
  if (context.reply.tooLarge) context.reply.clear();
}
