/**
 * A service of one's own: an account per session. Run it with
 *
 *     sessile serve --service ./account.js
 *
 * A deposit changes a balance, so executing it twice would be wrong. A client that lost the answer
 * sends the same request again, with the same number, and gets the stored reply: paid once.
 */

/** @type {import('sessile').Service} */
const account = {
  name: 'account',
  // All state is the session's data and nothing waits, so any thread may run it.
  portable: true,
  operations: {
    deposit: {
      number: 0,
      execute(context) {
        const amount = context.bodyValue();
        if (!Number.isSafeInteger(amount) || amount <= 0) {
          context.replyWith('the amount must be a whole number of cents above 0', 'invalid_body');
          return;
        }
        const balance = (context.dataValue()?.balance ?? 0) + amount;
        context.setData({ balance });
        context.replyWith({ balance });
      },
    },
    withdraw: {
      number: 1,
      execute(context) {
        const amount = context.bodyValue();
        if (!Number.isSafeInteger(amount) || amount <= 0) {
          context.replyWith('the amount must be a whole number of cents above 0', 'invalid_body');
          return;
        }
        const balance = (context.dataValue()?.balance ?? 0) - amount;
        // What an operation throws becomes a reply with status `failed`; nothing changes.
        if (balance < 0) throw new Error('the balance does not cover it');
        context.setData({ balance });
        context.replyWith({ balance });
      },
    },
    balance: {
      number: 2,
      unsequenced: true,
      readOnly: true,
      execute(context) {
        context.replyWith({ balance: context.dataValue()?.balance ?? 0 });
      },
    },
  },
};

export default account;
