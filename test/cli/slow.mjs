/** A service for the tests of stopping: it says when it executes, and takes its time. */
export default {
  name: 'slow',
  operations: {
    slow: {
      number: 0,
      async execute(context) {
        process.stderr.write('executing\n');
        await new Promise((resolve) => setTimeout(resolve, 300));
        context.replyWith('done');
      },
    },
    never: { number: 1, execute: () => new Promise(() => {}) },
  },
};
