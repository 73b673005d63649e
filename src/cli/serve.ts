/**
 * `sessile serve`: runs a server until SIGTERM or SIGINT.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULTS, defaultShards } from '../embedding/options.ts';
import type { RateLimit } from '../embedding/types.ts';
import { type RunningServer, type ServeOptions, serve } from '../serve.ts';
import { CONNECTIONS_MAX_DEFAULT, FRAME_BYTES_MAX_DEFAULT } from '../transport/limits.ts';
import { DEFAULT_HOST, DEFAULT_PORT } from '../transport/protocol.ts';
import { numeric, option, wholeNumber } from './arguments.ts';
import { PRESET_NAMES, type PresetName, presetsText, withPreset } from './presets.ts';

/** Exit code when the engine can no longer serve (EX_SOFTWARE of sysexits.h). */
const EXIT_FAILED = 70;

/** Commander turns null into an empty text, so never stays a word until it is used. */
const NEVER = 'never';

interface CommandOptions extends Omit<ServeOptions, 'ttlMs' | 'rate'> {
  readonly preset?: PresetName;
  readonly ttlMs: number | typeof NEVER;
  readonly rate?: RateLimit;
}

export function serveCommand(): Command {
  return new Command('serve')
    .description('Run a server for TCP clients.')
    .addOption(
      new Option('--preset <name>', 'options for a purpose, see below')
        .choices(PRESET_NAMES)
        .env('SESSILE_PRESET'),
    )
    .addOption(option('--host <address>', 'address to listen on', DEFAULT_HOST))
    .addOption(numeric('--port <port>', 'port to listen on; 0 picks a free one', DEFAULT_PORT))
    .addOption(numeric('--shards <count>', 'worker threads; 0 = none', defaultShards()))
    .addOption(numeric('--sessions-max <count>', 'live sessions at most', DEFAULTS.sessionsMax))
    .addOption(
      option('--on-full <what>', 'when all sessions are in use', DEFAULTS.onFull).choices([
        'evict',
        'reject',
      ]),
    )
    .addOption(ttlOption())
    .addOption(rateOption())
    .addOption(numeric('--data-bytes-max <bytes>', "a session's data", DEFAULTS.dataBytesMax))
    .addOption(numeric('--reply-bytes-max <bytes>', "a reply's body", DEFAULTS.replyBytesMax))
    .addOption(numeric('--frame-bytes-max <bytes>', 'a frame', FRAME_BYTES_MAX_DEFAULT))
    .addOption(numeric('--connections-max <count>', 'connections', CONNECTIONS_MAX_DEFAULT))
    .addOption(
      numeric(
        '--execute-timeout-ms <ms>',
        'after which a pending operation counts as failed',
        DEFAULTS.executeTimeoutMs,
      ),
    )
    .addOption(
      option('--run <where>', 'where requests run', DEFAULTS.run).choices([
        'auto',
        'worker',
        'direct',
      ]),
    )
    .addOption(
      new Option('--service <module>', 'module of the service (default: session data)').env(
        'SESSILE_SERVICE',
      ),
    )
    .addHelpText('after', presetsText())
    .action(run);
}

async function run(given: CommandOptions, command: Command): Promise<void> {
  const { preset, ttlMs, ...options } = withPreset(command, given);
  const server = await serve({ ...options, ttlMs: ttlMs === NEVER ? null : ttlMs });
  // Before the first line is printed: whoever waits for it may send a signal at once.
  const stop = stopOnce(server);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const { host, port } = server.address;
  process.stdout.write(`listening on ${host}:${port}\n`);
  process.stdout.write('sessions are kept in memory only: they end with this process\n');
  server.engine.onFailure((error) => {
    process.stderr.write(`sessile: ${error.message}\n`);
    process.exitCode = EXIT_FAILED;
    void server.stop();
  });
}

/** The first signal stops gracefully; a second one at once. */
function stopOnce(server: RunningServer): () => void {
  let asked = false;
  return () => {
    if (asked) process.exit(1);
    asked = true;
    server.stop().catch((error: unknown) => {
      process.stderr.write(`sessile: ${String(error)}\n`);
      process.exitCode = EXIT_FAILED;
    });
  };
}

function rateOption(): Option {
  const text = 'requests a second of a session, and how many at once, such as 100/20';
  return new Option('--rate <per-second/burst>', text).env('SESSILE_RATE').argParser((given) => {
    const match = /^(\d+)\/(\d+)$/.exec(given);
    if (match !== null) return { perSecond: Number(match[1]), burst: Number(match[2]) };
    throw new InvalidArgumentError('It must be two whole numbers, such as 100/20.');
  });
}

function ttlOption(): Option {
  return new Option('--ttl-ms <ms>', 'how long an idle session lives, or never')
    .default(DEFAULTS.ttlMs)
    .env('SESSILE_TTL_MS')
    .argParser((text) => (text === NEVER ? NEVER : wholeNumber(text)));
}
