/**
 * What the client library and the embedded engine are asked to do, from a call until its answer:
 * 64 bytes there and back, the answer looked at.
 */
import { randomBytes } from 'node:crypto';
import { connect, Engine, type EngineView, type Session } from '../../dist/index.js';
import { PAYLOAD_BYTES } from '../load/job.ts';

/** Sessions of one connection that ask at the same time. */
const TOGETHER = 64;

/** A view answers faster than a clock can tell: so many requests are one sample. */
const VIEW_BATCH = 100;

export interface ClientWork {
  readonly name: string;
  /** Requests of one run. */
  readonly requests: number;
  /** Whether they run one after the other, so that each took a share of the time and not all. */
  readonly isInTurn: boolean;
  run(): Promise<void> | void;
}

export interface ClientWorks {
  readonly works: readonly ClientWork[];
  stop(): Promise<void>;
}

const body = Buffer.alloc(PAYLOAD_BYTES, 'x');

export async function prepareWorks(port: number): Promise<ClientWorks> {
  const connection = await connect({ port });
  const one = await connection.session();
  const many = await Promise.all(Array.from({ length: TOGETHER }, () => connection.session()));
  const inline = await Engine.start({ shards: 0, sessionsMax: 1_000 });
  const threaded = await Engine.start({ shards: 1, sessionsMax: 1_000 });
  const view = inline.view();
  const works = [
    {
      name: 'TCP: await session.request',
      requests: 1,
      isInTurn: false,
      run: () => clientRequest(one),
    },
    {
      name: `TCP: ${TOGETHER} sessions together`,
      requests: TOGETHER,
      isInTurn: false,
      run: async () => void (await Promise.all(many.map(clientRequest))),
    },
    await engineWork('embedded: await engine.request, no worker', inline),
    await engineWork('embedded: await engine.request, one worker', threaded),
    viewWork('embedded: view.request', view),
  ];
  const stop = async (): Promise<void> => {
    view.release();
    await Promise.all([connection.close(), inline.stop(), threaded.stop()]);
  };
  return { works, stop };
}

async function clientRequest(session: Session): Promise<void> {
  check(await session.request('echo', body));
}

async function engineWork(name: string, engine: Engine): Promise<ClientWork> {
  const id = randomBytes(16);
  const { session } = await engine.register(id);
  let request = 0;
  const run = async (): Promise<void> => {
    request += 1;
    check((await engine.request(id, session, request, 'echo', body)).body);
  };
  return { name, requests: 1, isInTurn: false, run };
}

function viewWork(name: string, view: EngineView): ClientWork {
  const id = randomBytes(16);
  const { session } = view.register(id);
  let request = 0;
  const run = (): void => {
    for (let i = 0; i < VIEW_BATCH; i++) {
      request += 1;
      check(view.request(id, session, request, 'echo', body).body);
    }
  };
  return { name: `${name}, mean of ${VIEW_BATCH}`, requests: VIEW_BATCH, isInTurn: true, run };
}

function check(answer: unknown): void {
  if ((answer as Uint8Array).byteLength !== PAYLOAD_BYTES) {
    throw new Error(`echo answered ${JSON.stringify(answer)}`);
  }
}
