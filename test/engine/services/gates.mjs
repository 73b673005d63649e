/**
 * A service whose operations wait for a gate that another call opens: so that a test decides when
 * each of them settles. Gates belong to a thread; open one through a session of the same shard.
 */
const gates = new Map();
const kept = [];

function gate(name) {
  let found = gates.get(name);
  if (found === undefined) {
    found = {};
    found.opened = new Promise((resolve, reject) => Object.assign(found, { resolve, reject }));
    gates.set(name, found);
  }
  return found.opened;
}

function finish(name, how, value) {
  gate(name);
  gates.get(name)[how](value);
  gates.delete(name);
}

function count(context) {
  const n = (context.dataValue()?.n ?? 0) + 1;
  context.setData({ n });
  context.replyWith({ n, body: context.bodyValue() });
}

async function wait(context) {
  const name = context.bodyValue();
  await gate(name);
  count(context);
}

async function waitAndFail(context) {
  count(context);
  await gate(context.bodyValue());
  throw new Error('failed on purpose');
}

export default {
  name: 'gates',
  operations: {
    wait: { number: 0, execute: wait },
    open: {
      number: 1,
      unsequenced: true,
      readOnly: true,
      execute: (context) => finish(context.bodyValue(), 'resolve'),
    },
    read: {
      number: 2,
      unsequenced: true,
      readOnly: true,
      execute: (context) => context.replyWith(context.dataValue() ?? null),
    },
    count: { number: 3, unsequenced: true, execute: count },
    waitCall: { number: 4, unsequenced: true, execute: wait },
    fail: {
      number: 5,
      execute(context) {
        count(context);
        throw new Error('failed on purpose');
      },
    },
    waitAndFail: { number: 6, execute: waitAndFail },
    waitRead: { number: 7, unsequenced: true, readOnly: true, execute: wait },
    writeAlthoughReadOnly: { number: 8, unsequenced: true, readOnly: true, execute: count },
    /** Keeps its context, and uses it when `useKept` is called. */
    keep: {
      number: 9,
      execute(context) {
        count(context);
        kept.push(context);
      },
    },
    useKept: {
      number: 10,
      unsequenced: true,
      readOnly: true,
      execute(own) {
        let refused = 0;
        for (const context of kept.splice(0)) {
          if (context === own) continue;
          for (const use of [
            () => context.setData({ stolen: true }),
            () => context.replyWith('stolen'),
            () => context.newData.value({ stolen: true }),
            () => context.reply.value('stolen'),
          ]) {
            try {
              use();
            } catch {
              refused += 1;
            }
          }
        }
        own.replyWith(refused);
      },
    },
    /** Settles, and writes once more before anybody can have committed it. */
    settleAndWrite: {
      number: 11,
      async execute(context) {
        await null;
        count(context);
        const late = async () => {
          for (let i = 0; i < 8; i++) await null;
          context.reply.value('late');
          context.newData.value({ late: true });
          context.status = 3;
        };
        void late();
      },
    },
    countAndWait: {
      number: 13,
      async execute(context) {
        const name = context.bodyValue();
        count(context);
        await gate(name);
      },
    },
    waitKeeping: {
      number: 12,
      async execute(context) {
        kept.push(context);
        await wait(context);
      },
    },
  },
};
