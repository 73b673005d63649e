/** Two operations that answer in a later turn, one of which fails. */
const nextTurn = () => new Promise(setImmediate);

export default {
  name: 'promises',
  operations: {
    later: {
      number: 0,
      async execute(context) {
        await nextTurn();
        context.replyWith(null);
      },
    },
    broken: {
      number: 1,
      async execute() {
        await nextTurn();
        throw new Error('broken');
      },
    },
  },
};
