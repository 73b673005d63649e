/**
 * The service of a simulated server. Its state is a count, a chain of all nonces that it was given,
 * a count of calls, and some padding: whatever is lost, doubled or mixed up shows in it. It tells a
 * listener of each execution; the oracle works out by itself what must come of it.
 */
import type { ServiceContext } from '../../src/services/context.ts';
import type { Operation, Service, SessionIdentity } from '../../src/services/service.ts';

export type State = readonly [count: number, chain: number, calls: number, padding: string];

/** A nonce, how much padding the new state gets, and for some operations a number. */
export type Body = readonly [nonce: number, padding: number, value?: number];

export type OperationName =
  | 'step'
  | 'poke'
  | 'look'
  | 'glance'
  | 'fail'
  | 'bloat'
  | 'live'
  | 'wait'
  | 'hang';

export interface ServiceListener {
  executes(name: OperationName, context: ServiceContext, body: Body, before: State): void;
  /** An execution that took its time has ended by itself. */
  finished(context: ServiceContext): void;
  opened(session: SessionIdentity): void;
  ended(session: SessionIdentity, reason: string): void;
}

const FIRST_STATE: State = [0, 0, 0, ''];

function mix(chain: number, nonce: number): number {
  return (Math.imul(chain ^ nonce, 0x01000193) + 0x9e3779b9) >>> 0;
}

export function stepped(before: State, [nonce, padding]: Body, isCall: boolean): State {
  const [count, chain, calls] = before;
  const text = 'p'.repeat(padding);
  return isCall
    ? [count, mix(chain, nonce), calls + 1, text]
    : [count + 1, mix(chain, nonce), calls, text];
}

let listener: ServiceListener | undefined;

export function listen(next: ServiceListener): void {
  listener = next;
}

/** What an execution begins with, told to the listener. */
function begin(name: OperationName, context: ServiceContext): { body: Body; before: State } {
  const body = context.bodyValue<Body>();
  const before = context.dataValue<State>() ?? FIRST_STATE;
  listener?.executes(name, context, body, before);
  return { body, before };
}

function step(name: OperationName, context: ServiceContext): void {
  const { body, before } = begin(name, context);
  const after = stepped(before, body, !context.sequenced);
  context.setData(after);
  context.replyWith([body[0], ...after]);
}

function look(name: OperationName, context: ServiceContext): void {
  const { body, before } = begin(name, context);
  context.replyWith([body[0], ...before]);
}

function operations() {
  return {
    step: { number: 1, execute: (context) => step('step', context) },
    poke: { number: 2, unsequenced: true, execute: (context) => step('poke', context) },
    look: {
      number: 3,
      unsequenced: true,
      readOnly: true,
      execute: (context) => look('look', context),
    },
    glance: {
      number: 4,
      unsequenced: true,
      readOnly: true,
      touches: false,
      execute: (context) => look('glance', context),
    },
    fail: {
      number: 5,
      execute(context) {
        const { body } = begin('fail', context);
        context.setData([-1, -1, -1, '']);
        throw new Error(`nonce ${body[0]}`);
      },
    },
    bloat: {
      number: 6,
      execute(context) {
        begin('bloat', context);
        context.setData([-1, -1, -1, '']);
        context.replyWith('p'.repeat(70_000));
      },
    },
    live: {
      number: 7,
      execute(context) {
        const { body, before } = begin('live', context);
        context.setTtl(body[2] ?? null);
        const after = stepped(before, body, false);
        context.setData(after);
        context.replyWith([body[0], ...after]);
      },
    },
  } satisfies Record<string, Operation>;
}

/** Those that take their time, or never end. */
function slowOperations() {
  const wait = async (name: OperationName, context: ServiceContext): Promise<void> => {
    const { body, before } = begin(name, context);
    await new Promise((resolve) => setTimeout(resolve, body[2] ?? 1));
    listener?.finished(context);
    const after = stepped(before, body, false);
    context.setData(after);
    context.replyWith([body[0], ...after]);
  };
  return {
    wait: { number: 8, execute: (context) => wait('wait', context) },
    hang: {
      number: 9,
      execute(context) {
        begin('hang', context);
        return new Promise(() => {});
      },
    },
  } satisfies Record<string, Operation>;
}

export function makeService(portable: boolean): Service {
  return {
    name: 'simulated',
    portable,
    operations: portable ? operations() : { ...operations(), ...slowOperations() },
    opened: (session) => listener?.opened(session),
    ended: (session, reason) => listener?.ended(session, reason),
  };
}
