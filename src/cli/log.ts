/**
 * The lines of `sessile serve` on standard error: JSON, one object a line, for machines, or text
 * for people.
 */
import { Option } from 'commander';
import pino from 'pino';
import type { EventFields, EventLog, EventName, EventValue } from '../core/event-log.ts';
import { LineOutput } from './line-output.ts';

const STANDARD_ERROR = 2;

const LEVELS = ['info', 'warn', 'error'] as const;
export type LogLevel = (typeof LEVELS)[number];

const FORMATS = ['json', 'text', 'off'] as const;
export type LogFormat = (typeof FORMATS)[number];

interface Output {
  write(text: string): void;
}

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'the least that is logged')
    .choices(LEVELS)
    .default('info')
    .env('SESSILE_LOG_LEVEL');
}

export function logFormatOption(): Option {
  const format: LogFormat = process.stderr.isTTY === true ? 'text' : 'json';
  return new Option('--log-format <format>', 'lines on standard error')
    .choices(FORMATS)
    .default(format, 'json; text on a terminal')
    .env('SESSILE_LOG_FORMAT');
}

/** A log on standard error; undefined when there is to be none. */
export function openLog(format: LogFormat, level: LogLevel): EventLog | undefined {
  if (format === 'off') return undefined;
  // Looking at the stream is what makes a pipe not block.
  void process.stderr;
  const output = new LineOutput(STANDARD_ERROR, (lines) => log.warn('log_lines_lost', { lines }));
  const log: EventLog =
    format === 'json' ? jsonLog(output, level) : textLog(output, level, () => new Date());
  return log;
}

export function jsonLog(output: Output, level: LogLevel): EventLog {
  const options: pino.LoggerOptions = {
    level,
    base: { pid: process.pid },
    messageKey: 'event',
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  const logger = pino(options, output);
  return {
    info: (event, fields = {}) => logger.info(fields, event),
    warn: (event, fields = {}) => logger.warn(fields, event),
    error: (event, fields = {}) => logger.error(fields, event),
  };
}

export function textLog(output: Output, level: LogLevel, now: () => Date): EventLog {
  const at = (label: LogLevel) => {
    if (LEVELS.indexOf(label) < LEVELS.indexOf(level)) return () => {};
    const name = label.toUpperCase().padEnd(5);
    return (event: EventName, fields: EventFields = {}): void => {
      const parts = Object.entries(fields).map(([key, value]) => ` ${key}=${valueText(value)}`);
      output.write(`${now().toISOString()} ${name} ${event}${parts.join('')}\n`);
    };
  };
  return { info: at('info'), warn: at('warn'), error: at('error') };
}

/** What has blanks, quotes or control characters is quoted: a line stays a line. */
function valueText(value: EventValue): string {
  if (typeof value === 'string') return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
