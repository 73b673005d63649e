/**
 * A service with costs and capabilities: an outbox per session. Run it with
 *
 *     sessile serve --service ./mailbox.js
 *
 * To send takes ten times as much of a session's rate limit as anything else, and only a session
 * that asked for the capability `send` when it registered may do it.
 */

/** @type {import('sessile').Service} */
const mailbox = {
  name: 'mailbox',
  portable: true,
  capabilities: ['send', 'purge'],
  operations: {
    // Free of charge, and no sign of life: a monitor may ask without keeping the session alive.
    count: {
      number: 0,
      unsequenced: true,
      readOnly: true,
      touches: false,
      cost: 0,
      execute(context) {
        context.replyWith(context.dataValue()?.sent ?? 0);
      },
    },
    send: {
      number: 1,
      cost: 10,
      capability: 'send',
      execute(context) {
        const sent = (context.dataValue()?.sent ?? 0) + 1;
        context.setData({ sent });
        context.replyWith(sent);
      },
    },
    purge: {
      number: 2,
      cost: 0,
      capability: 'purge',
      execute(context) {
        context.setData({ sent: 0 });
        // What is left of it is of no interest for longer than a minute.
        context.setTtl(60_000);
      },
    },
  },
};

export default mailbox;
