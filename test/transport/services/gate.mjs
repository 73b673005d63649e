/**
 * A service whose operation `wait` takes until the test opens a gate, on a channel that all threads
 * of the process hear: `waiting` when an operation has begun, `open` to let all of them finish.
 */
const channel = new BroadcastChannel('sessile-test-gate');
const waiting = [];

channel.onmessage = ({ data }) => {
  if (data === 'open') for (const proceed of waiting.splice(0)) proceed();
};
channel.unref();

export default {
  name: 'gate',
  operations: {
    wait: {
      number: 0,
      async execute(context) {
        const body = context.bodyValue();
        channel.postMessage('waiting');
        await new Promise((resolve) => waiting.push(resolve));
        context.replyWith(body);
      },
    },
    echo: {
      number: 1,
      unsequenced: true,
      execute(context) {
        context.replyWith(context.bodyValue());
      },
    },
  },
};
