/** The lines of the log: JSON for machines, text for people. */
import { describe, expect, test } from 'vitest';
import { jsonLog, textLog } from '../../src/cli/log.ts';
import { EVENT_NAMES } from '../../src/core/event-log.ts';

class Lines {
  text = '';
  write(text: string): void {
    this.text += text;
  }
}

const NOW = new Date('2026-11-21T12:00:00.000Z');

describe('JSON', () => {
  test('has a line an event, with level, time, process and the fields as they are', () => {
    const lines = new Lines();
    const log = jsonLog(lines, 'info');
    log.warn('connection_refused', { code: 'server_busy', addresses: ['::1'], count: 3 });
    log.info('stopping');
    expect(lines.text.split('\n')).toHaveLength(3);
    const [first, second] = lines.text
      .split('\n')
      .slice(0, 2)
      .map((line) => JSON.parse(line));
    expect(first).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      pid: process.pid,
      event: 'connection_refused',
      code: 'server_busy',
      addresses: ['::1'],
      count: 3,
    });
    expect(second).toMatchObject({ level: 'info', event: 'stopping' });
  });

  test('leaves out what is below its level', () => {
    const lines = new Lines();
    const log = jsonLog(lines, 'error');
    log.info('listening');
    log.warn('storage_full', { shard: 0 });
    log.error('storage_failed', { message: 'x' });
    expect(JSON.parse(lines.text)).toMatchObject({ event: 'storage_failed' });
  });
});

describe('text', () => {
  test('has a line an event, whose values are quoted where they need it', () => {
    const lines = new Lines();
    const log = textLog(lines, 'info', () => NOW);
    log.info('listening', { host: '127.0.0.1', port: 7377 });
    log.warn('hook_failed', { message: 'two\nlines "quoted"', count: 2 });
    log.error('shard_failed', { message: '', rate: null, addresses: ['::1'] });
    expect(lines.text.split('\n')).toEqual([
      '2026-11-21T12:00:00.000Z INFO  listening host=127.0.0.1 port=7377',
      '2026-11-21T12:00:00.000Z WARN  hook_failed message="two\\nlines \\"quoted\\"" count=2',
      '2026-11-21T12:00:00.000Z ERROR shard_failed message="" rate=null addresses=["::1"]',
      '',
    ]);
  });

  test('names every event as it is', () => {
    const lines = new Lines();
    const log = textLog(lines, 'info', () => NOW);
    for (const event of EVENT_NAMES) log.info(event);
    const names = lines.text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ +/)[2]);
    expect(names).toEqual([...new Set(EVENT_NAMES)]);
  });

  test('leaves out what is below its level', () => {
    const lines = new Lines();
    const log = textLog(lines, 'warn', () => NOW);
    log.info('listening');
    log.warn('stopping');
    expect(lines.text).toBe('2026-11-21T12:00:00.000Z WARN  stopping\n');
  });
});
