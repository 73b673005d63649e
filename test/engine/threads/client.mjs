/**
 * A thread that is attached to an engine and does what it is told: each message names a task of
 * the table below, and is answered with its result.
 */
import { parentPort, workerData } from 'node:worker_threads';
// Not the whole package: each of many threads would load it anew, and docs/embedding.md does.
import { attach } from '../../../dist/embedding/attach.js';

let view;
let begun;

/** Registers and does sequenced requests on a session of its own; each must count up by one. */
function own({ id, count }) {
  const { session, request } = view.register(id);
  for (let n = request + 1; n <= request + count; n++) {
    const { status, body, replayed } = view.request(id, session, n, 'increment', n);
    if (status !== 'ok' || body !== n || replayed) throw new Error(`request ${n} gave ${body}`);
    const again = view.request(id, session, n, 'increment', n);
    if (again.body !== n || !again.replayed) throw new Error(`request ${n} ran again`);
  }
  return request + count;
}

/** Calls on a session that other threads use too. */
function shared({ id, count }) {
  const seen = [];
  for (let i = 0; i < count; i++) {
    const { status, body } = view.call(id, 'increment');
    seen.push(status === 'ok' ? body : `${status} ${body}`);
  }
  return seen;
}

/** Sequenced requests on a session that other threads use too: the number decides who wins. */
function contend({ id, name, until }) {
  let won = 0;
  for (;;) {
    const { session, request } = view.register(id);
    if (request >= until) return won;
    try {
      view.request(id, session, request + 1, 'increment', `${name} ${request + 1}`);
      won += 1;
    } catch (error) {
      if (!/^request_(mismatch|stale)$/.test(error.code)) throw error;
    }
  }
}

/** Echoes that tell whether an answer was another's. */
function echo({ id, name, count }) {
  for (let i = 0; i < count; i++) {
    const said = `${name} ${i} `.repeat(20);
    const heard = view.call(id, 'echo', said).body;
    if (heard !== said) return `said ${said.slice(0, 20)} and heard ${String(heard).slice(0, 20)}`;
  }
  return 'its own';
}

/** Everything at once, for ever: until this thread is ended. */
function load({ name, shared: id, ids }) {
  for (let round = 0; ; round++) {
    const client = ids[round % ids.length];
    try {
      const { session, request } = view.register(client);
      const next = view.begin(client, session, request + 1, 0, name);
      if (round % 3 === 0 && next.verdict === 'execute') view.commit(next, round);
      else if (next.verdict === 'execute') view.abort(next);
      view.call(id, 'increment', round);
      if (round % 7 === 0) view.close(client);
    } catch (error) {
      if (error.code === undefined || error.name === 'AssertionFailure') throw error;
    }
  }
}

const TASKS = {
  own,
  shared,
  contend,
  echo,
  load,
  register: ({ id }) => view.register(id),
  begin({ id }) {
    const { session, request } = view.register(id);
    begun = view.begin(id, session, request + 1, 0, 'begun');
    return begun.verdict;
  },
  commit: () => view.commit(begun, 'by the thread'),
  release() {
    view.release();
    parentPort.unref();
  },
};

try {
  view = await attach(workerData.ticket);
  parentPort.postMessage({ value: 'attached' });
} catch (error) {
  parentPort.postMessage({ error: `${error.name} ${error.code}` });
}
parentPort.on('message', ({ task, ...options }) => {
  try {
    parentPort.postMessage({ value: TASKS[task](options) });
  } catch (error) {
    parentPort.postMessage({ error: String(error.stack) });
  }
});
