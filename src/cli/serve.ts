/**
 * `sessile serve`: runs a server until SIGTERM or SIGINT.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { EventLog } from '../core/event-log.ts';
import type { Recovery } from '../embedding/journaling.ts';
import { DEFAULTS, type Durability, defaultShards } from '../embedding/options.ts';
import type { RateLimit } from '../embedding/types.ts';
import { OPERATOR_PORT_DEFAULT } from '../operating/limits.ts';
import type { OperatorAddress } from '../operating/operator-server.ts';
import { defaultOperatorPort, OPERATOR_HOST_DEFAULT } from '../operating/options.ts';
import { type RunningServer, type ServeOptions, serve } from '../serve.ts';
import { CONNECTIONS_MAX_DEFAULT, FRAME_BYTES_MAX_DEFAULT } from '../transport/limits.ts';
import { DEFAULT_HOST, DEFAULT_PORT } from '../transport/protocol.ts';
import { numeric, option, wholeNumber } from './arguments.ts';
import { group } from './help-groups.ts';
import { type LogFormat, type LogLevel, logFormatOption, logLevelOption, openLog } from './log.ts';
import { terminalText } from './option-names.ts';
import { PRESET_NAMES, type PresetName, presetsText, withPreset } from './presets.ts';
import { reloadAtHangUp } from './reload.ts';
import { addSecurityOptions, reloading } from './security-options.ts';

const PROGRESS_MS = 1_000;

/** Exit code when the engine can no longer serve (EX_SOFTWARE of sysexits.h). */
const EXIT_FAILED = 70;

/** Commander turns null into an empty text, so never stays a word until it is used. */
const NEVER = 'never';

interface CommandOptions extends Omit<ServeOptions, 'ttlMs' | 'rate' | 'durability'> {
  readonly preset?: PresetName;
  readonly ttlMs: number | typeof NEVER;
  readonly rate?: RateLimit;
  readonly durability?: Durability;
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
}

export function serveCommand(): Command {
  const command = new Command('serve')
    .description('Run a server for TCP clients.')
    .addOption(
      new Option('--preset <name>', 'options for a purpose, see below')
        .choices(PRESET_NAMES)
        .env('SESSILE_PRESET'),
    )
    .addOption(option('--host <address>', 'address to listen on', DEFAULT_HOST))
    .addOption(numeric('--port <port>', 'port to listen on; 0 picks a free one', DEFAULT_PORT))
    .addOption(operatorPortOption())
    .addOption(
      option('--operator-host <address>', 'where operators find it', OPERATOR_HOST_DEFAULT),
    )
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
    .addOption(
      new Option('--data-dir <folder>', 'keep sessions over restarts (default: memory only)').env(
        'SESSILE_DATA_DIR',
      ),
    )
    .addOption(durabilityOption())
    .addOption(
      numeric(
        '--segment-bytes-max <bytes>',
        'with --data-dir, a file of the log',
        DEFAULTS.segmentBytesMax,
      ),
    )
    .addOption(logLevelOption())
    .addOption(logFormatOption());
  return group(addSecurityOptions(command).addHelpText('after', presetsText()).action(run));
}

async function run(given: CommandOptions, command: Command): Promise<void> {
  const { preset, ttlMs, logLevel, logFormat, ...options } = withPreset(command, given);
  const log = openLog(logFormat, logLevel);
  const server = await serve({
    ...options,
    ttlMs: ttlMs === NEVER ? null : ttlMs,
    operatorPort: options.operatorPort ?? defaultOperatorPort(options.port),
    onRecoveryProgress: recoveryProgress(log),
    ...(log === undefined
      ? {}
      : { log, onNotice: (text) => log.warn('connections_noticed', { text }) }),
  });
  // Before the first line is printed: whoever waits for it may send a signal at once.
  const stop = stopOnce(server);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  const textOf = (error: unknown): string => terminalText(error, command);
  reloadAtHangUp(reloading(server, options), textOf, log);
  const { host, port } = server.address;
  process.stdout.write(`listening on ${host}:${port}\n`);
  process.stdout.write(`${storageText(server.engine.recovery)}\n`);
  if (server.operatorAddress !== undefined) {
    process.stdout.write(`operator console on ${urlOf(server.operatorAddress)}\n`);
  }
  server.engine.onFailure((error) => {
    // The log has told it already, if there is one.
    if (log === undefined) process.stderr.write(`sessile: ${error.message}\n`);
    process.exitCode = EXIT_FAILED;
    void server.stop();
  });
}

function urlOf({ host, port, protocol }: OperatorAddress): string {
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}/`;
}

/** A line a second on how far recovery has come, once it takes longer than that. */
function recoveryProgress(log: EventLog | undefined): (part: number) => void {
  let next = performance.now() + PROGRESS_MS;
  return (part) => {
    if (performance.now() < next) return;
    next = performance.now() + PROGRESS_MS;
    log?.info('recovering', { percent: Math.floor(part * 100) });
  };
}

/** What happens to sessions when the process ends, and what was brought back from before. */
function storageText(recovery: Recovery | undefined): string {
  if (recovery === undefined) {
    return 'sessions are kept in memory only: they end with this process';
  }
  const { folder, sessions, bytes, durationMs, evicted, disconnected, tornBytes } = recovery;
  const lines = [
    `sessions are kept in ${folder}: ${sessions} recovered from ${bytes} bytes ` +
      `in ${Math.round(durationMs)} ms`,
  ];
  if (evicted > 0) lines.push(`${evicted} sessions were evicted: fewer are allowed than before`);
  if (disconnected > 0) lines.push(`${disconnected} sessions ended with their connections`);
  if (tornBytes > 0) lines.push(`${tornBytes} bytes at the end were no whole batch: passed over`);
  return lines.join('\n');
}

function operatorPortOption(): Option {
  const text = 'port of the console and of metrics, or off; 0 picks a free one';
  const standard = `default: ${OPERATOR_PORT_DEFAULT}, or 0 with --port 0`;
  return new Option('--operator-port <port>', `${text} (${standard})`)
    .env('SESSILE_OPERATOR_PORT')
    .argParser((given) => (given === 'off' ? given : wholeNumber(given)));
}

function durabilityOption(): Option {
  const text =
    'with --data-dir, when a commit is on disk: commit (before its reply), interval:MS or off';
  return new Option('--durability <when>', `${text} (default: commit)`)
    .env('SESSILE_DURABILITY')
    .argParser((given): Durability => {
      if (given === 'commit' || given === 'off') return given;
      const match = /^interval:(\d+)$/.exec(given);
      if (match !== null) return { intervalMs: Number(match[1]) };
      throw new InvalidArgumentError('It must be commit, off, or interval:MS.');
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
