/** A counter in each session: portable, so that any thread may run it. */
export default {
  name: 'counter',
  portable: true,
  operations: {
    increment: {
      number: 0,
      unsequenced: true,
      execute(context) {
        const n = (context.dataValue()?.n ?? 0) + 1;
        context.setData({ n, by: context.bodyValue() });
        context.replyWith(n);
      },
    },
    get: {
      number: 1,
      unsequenced: true,
      readOnly: true,
      execute(context) {
        context.replyWith(context.dataValue()?.n ?? 0);
      },
    },
    echo: {
      number: 2,
      unsequenced: true,
      readOnly: true,
      execute(context) {
        const { body, reply } = context;
        reply.copy(body.words, body.word, body.length);
      },
    },
  },
};
