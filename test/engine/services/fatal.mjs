/** A service that counts what it executes in the session's data, and that can end its worker. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

/** Counts, and notes it if a request was executed twice or out of order. */
function add(context) {
  const data = context.dataValue() ?? { n: 0, last: 0, wrong: 0 };
  if (context.sequenced && context.request <= data.last) data.wrong += 1;
  data.n += 1;
  data.last = context.request;
  context.setData(data);
  context.replyWith(data.n);
}

export default {
  name: 'fatal',
  operations: {
    add: { number: 0, unsequenced: true, execute: add },
    addLater: {
      number: 1,
      async execute(context) {
        await nextTurn();
        add(context);
      },
    },
    die: {
      number: 2,
      unsequenced: true,
      execute(context) {
        add(context);
        process.exit(1);
      },
    },
    dieLater: {
      number: 3,
      unsequenced: true,
      async execute(context) {
        add(context);
        await nextTurn();
        process.exit(1);
      },
    },
    never: { number: 4, unsequenced: true, execute: () => new Promise(() => {}) },
    get: {
      number: 5,
      unsequenced: true,
      readOnly: true,
      execute: (context) => context.replyWith(context.dataValue() ?? null),
    },
  },
};
