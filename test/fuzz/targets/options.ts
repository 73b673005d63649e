/**
 * Options of the engine, of the client, of a session, of idempotency keys and of a service, ids and
 * bodies: any value is refused with an `InvalidOptionError` that names it, or what comes out is
 * checked through and through. What a client's session options come to must be a frame that the
 * server's own reader takes, or refuses with a reason.
 */
import { clientIdBytes } from '../../../src/core/client-id.ts';
import { InvalidOptionError } from '../../../src/core/errors.ts';
import { Message } from '../../../src/core/message.ts';
import { RefusedError } from '../../../src/core/session-errors.ts';
import { operationNumber, setRegister } from '../../../src/embedding/encoding.ts';
import { checkOptions, type EngineOptions } from '../../../src/embedding/options.ts';
import type { RegisterOptions } from '../../../src/embedding/types.ts';
import { checkKeyOptions } from '../../../src/keys/options.ts';
import { checkService } from '../../../src/services/service.ts';
import { sessionData } from '../../../src/services/session-data.ts';
import { encodeValue } from '../../../src/services/values.ts';
import { Identity, registerFrame } from '../../../src/transport/client/frames.ts';
import {
  type ConnectOptions,
  registerFields,
  resolveSettings,
  type SessionOptions,
  timeoutOption,
  ttlOption,
} from '../../../src/transport/client/options.ts';
import { Cursor } from '../../../src/transport/cursor.ts';
import { MessageReader, Read } from '../../../src/transport/message-reader.ts';
import type { Random } from '../../crash/random.ts';
import { anyOptions, anyValue } from '../any-value.ts';
import { Choices } from '../choices.ts';
import { must, type Outcome, type Target } from '../target.ts';

const ENGINE = [
  'shards',
  'sessionsMax',
  'onFull',
  'dataBytesMax',
  'replyBytesMax',
  'bodyBytesMax',
  'ttlMs',
  'rate',
  'executeTimeoutMs',
  'sessionsAfter',
  'service',
  'dataDir',
  'durability',
  'segmentBytesMax',
  'onRecoveryProgress',
  'run',
];
const CLIENT = [
  'host',
  'port',
  'name',
  'token',
  'connectTimeoutMs',
  'timeoutMs',
  'queueMax',
  'reconnectMinMs',
  'reconnectMaxMs',
  'random',
];
const SESSION = ['ttlMs', 'rate', 'scope', 'capabilities', 'data'];
const KEYS = ['leaseMs', 'retentionMs', 'waitMs', 'secret', 'onBusy'];
const SERVICE = ['name', 'portable', 'capabilities', 'operations', 'opened', 'ended'];
const OPERATION = ['number', 'cost', 'capability', 'execute', 'unsequenced'];

const identity = new Identity(new Uint8Array(16).fill(9));
const checked = checkService({ ...sessionData, capabilities: ['x', 'auto'] });
const reader = new MessageReader(2 ** 16, 2 ** 16, checked);

export const options: Target = {
  name: 'options',
  sources: [
    '/embedding/encoding.ts',
    '/embedding/options.ts',
    '/transport/client/options.ts',
    '/keys/options.ts',
    '/keys/record.ts',
    '/services/service.ts',
    '/services/values.ts',
    '/core/errors.ts',
    '/core/client-id.ts',
    '/transport/register-reader.ts',
  ],
  tokens: [],
  share: 1,
  generate: (random: Random) =>
    Uint8Array.from({ length: 4 + random.below(60) }, () => random.below(256)),
  run,
};

const CHECKS: readonly ((choices: Choices) => void)[] = [
  (choices) => {
    const engine = checkOptions(anyOptions(choices, ENGINE) as EngineOptions);
    numbersIn(engine.sharding, 'sharding');
    must(typeof engine.sharding.evicts === 'boolean', 'evicts');
    must(['auto', 'worker', 'direct'].includes(engine.run), 'run');
    if (engine.journal === undefined) return;
    numbersIn(engine.journal, 'journal');
    must(typeof engine.journal.folder === 'string', 'folder');
  },
  (choices) => {
    const settings = resolveSettings(anyOptions(choices, CLIENT) as ConnectOptions);
    numbersIn(settings, 'settings');
    const { host, port, random, reconnectMinMs, reconnectMaxMs } = settings;
    must(typeof host === 'string' && host !== '' && port > 0, 'host and port');
    must(typeof random === 'function' && reconnectMinMs <= reconnectMaxMs, 'reconnects');
  },
  (choices) => {
    const given = anyOptions(choices, SESSION);
    const fields = registerFields(given as SessionOptions);
    const frame = registerFrame(identity, fields);
    reader.cursor.reset(frame, viewOf(frame), 5, frame.length);
    reader.cursor.arrayLength();
    reader.cursor.uint32();
    const read = reader.register(3);
    must(read !== Read.MALFORMED, () => `the server: ${reader.cursor.problem}`);
    // What says how it looks as JSON is encoded so, and may be no map then.
    const isJson = typeof (given.data as Partial<URL> | undefined)?.toJSON === 'function';
    const isOther = isJson && reader.problem === 'data is not a map';
    const isLarge = reader.problem?.includes('data_bytes_max') === true;
    must(read === Read.OK || isLarge || isOther, () => `the server: ${reader.problem}`);
  },
  (choices) => numbersIn(checkKeyOptions(anyOptions(choices, KEYS)), 'keys'),
  (choices) => {
    const made: Record<string, unknown> = { ...sessionData, ...anyOptions(choices, SERVICE) };
    if (choices.below(2) === 0) {
      made.operations = {
        one: { number: 1, execute: () => {}, ...anyOptions(choices, OPERATION) },
      };
    }
    const { byNumber, capabilities } = checkService(made);
    must(byNumber.length === 256, 'a place for each operation');
    for (const name of capabilities) must(typeof name === 'string' && name !== '', 'a name');
  },
  (choices) => {
    const bytes = clientIdBytes(anyValue(choices) as string);
    must(bytes.byteLength === 16 && bytes.some((byte) => byte !== 0), 'an id');
  },
  (choices) => {
    const bytes = encodeValue(anyValue(choices, 5));
    const cursor = new Cursor();
    cursor.reset(bytes, viewOf(bytes), 0, bytes.length);
    cursor.skip();
    must(cursor.problem === '' && cursor.at === bytes.length, () => `a body: ${cursor.problem}`);
  },
  (choices) => {
    const timeoutMs = timeoutOption('timeoutMs', anyValue(choices, 0), 5000);
    must(Number.isInteger(timeoutMs) && timeoutMs > 0, 'a timeout');
  },
  (choices) => {
    const m = new Message();
    const given = anyOptions(choices, SESSION) as RegisterOptions;
    setRegister(m, identity.text, given, checked, 1000);
    numbersIn({ ...m, ttlMs: m.ttlMs >>> 0, id0: 0, id1: 0, id2: 0, id3: 0 }, 'register');
    must(m.bodyLength <= 1000, 'data within its limit');
  },
  (choices) => {
    const number = operationNumber(checked, anyValue(choices, 2) as string);
    must(checked.byNumber[number] !== undefined && Number.isInteger(number), 'an operation');
  },
  (choices) => {
    const ttlMs = ttlOption(anyValue(choices, 0));
    must(ttlMs === null || (Number.isInteger(ttlMs) && ttlMs > 0), 'a TTL');
  },
];

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** Checked options have whole numbers, and nothing that was left out. */
function numbersIn(checked: object, what: string): void {
  for (const [name, value] of Object.entries(checked)) {
    if (typeof value === 'number') {
      must(Number.isSafeInteger(value) && value >= 0, `${what}.${name} is ${value}`);
    }
  }
}

function run(input: Uint8Array): Outcome {
  const choices = new Choices(input);
  const check = choices.pick(CHECKS);
  try {
    check(choices);
    return 'accepted';
  } catch (error) {
    if (error instanceof RefusedError) return 'refused';
    if (!(error instanceof InvalidOptionError)) throw error;
    const { code, option, expected, message } = error;
    must(code === 'invalid_options' && option !== '' && expected !== '', 'a refusal is typed');
    must(message.includes(option) && message.includes(expected), 'and says what it wants');
    return 'refused';
  }
}
