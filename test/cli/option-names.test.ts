/** What a wrong option is called where people gave it: its flag, and its variable if that did. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import { terminalText } from '../../src/cli/option-names.ts';
import { serveCommand } from '../../src/cli/serve.ts';
import { listCommand } from '../../src/cli/sessions/list-command.ts';
import { InvalidOptionError, SessileError } from '../../src/core/errors.ts';

afterEach(() => vi.unstubAllEnvs());

function serveWith(...args: string[]) {
  const command = serveCommand().action(() => {});
  command.parse(args, { from: 'user' });
  return command;
}

describe('an option that is wrong is named at the terminal', () => {
  test.each([
    [new InvalidOptionError('sessionsMax', 0, 'a whole number'), '--sessions-max is 0; it must be'],
    [new InvalidOptionError('tlsKey', undefined, 'a file'), '--tls-key is missing; it must be a f'],
    [
      new InvalidOptionError('rate.perSecond', 0, 'more'),
      '--rate (perSecond) is 0; it must be more',
    ],
    [
      new InvalidOptionError('service.name', 7, 'a text'),
      '--service (name) is 7; it must be a text',
    ],
    [new InvalidOptionError('bodyBytesMax', 9, 'less'), 'bodyBytesMax is 9; it must be less'],
    [new InvalidOptionError('-c', 0, 'more'), '-c is 0; it must be more'],
  ])('by its flag, or as it is where there is none (%#)', (error, said) => {
    expect(terminalText(error, serveWith())).toContain(said);
    // Whoever embeds the engine goes on reading the names of JavaScript.
    expect(error.message).toContain(`${error.option} is`);
  });

  test('with the others that the text names', () => {
    const others = ['tlsCert', 'tlsKey', 'insecure'];
    const error = new InvalidOptionError('host', 'x', 'y, or tlsCert, tlsKey, insecure', others);
    const said = '--host is "x"; it must be y, or --tls-cert, --tls-key, --insecure';
    expect(terminalText(error, serveWith())).toBe(said);
    expect(error.message).toBe('host is "x"; it must be y, or tlsCert, tlsKey, insecure');
  });

  test('with the variable that it came from', () => {
    vi.stubEnv('SESSILE_TLS_KEY', 'a.key');
    const error = new InvalidOptionError('tlsKey', 'a.key', 'a file');
    const byVariable = terminalText(error, serveWith());
    expect(byVariable).toBe('--tls-key (SESSILE_TLS_KEY) is "a.key"; it must be a file');
    const byFlag = terminalText(error, serveWith('--tls-key', 'a.key'));
    expect(byFlag).toBe('--tls-key is "a.key"; it must be a file');
  });

  test('also when it is a server that says so, and when a path is a socket', () => {
    const command = listCommand();
    const refused = new SessileError('invalid_options', 'idle_ms_min is -1; it must be more');
    expect(terminalText(refused, command)).toBe('--idle-ms-min is -1; it must be more');
    const path = new InvalidOptionError('path', 'x', 'shorter');
    expect(terminalText(path, command)).toBe('--socket is "x"; it must be shorter');
    const plain = new SessileError('tls_required', 'connect with TLS');
    expect(terminalText(plain, command)).toBe('connect with TLS (--tls)');
  });
});

test('other errors are told as they are', () => {
  expect(terminalText(new Error('port is busy'), serveWith())).toBe('port is busy');
  const other = new SessileError('cannot_listen', 'port is busy');
  expect(terminalText(other, serveWith())).toBe('port is busy');
  expect(terminalText('x', undefined)).toBe('x');
});

test('a long text is cut where it says so, and a path is not', () => {
  const path = `/${'p'.repeat(200)}`;
  expect(new InvalidOptionError('tokens', path, 'a file').message).toContain(`"${path}"`);
  const long = new InvalidOptionError('tokens', 'x'.repeat(300), 'a file');
  expect(long.message).toBe(`tokens is "${'x'.repeat(256)}"…; it must be a file`);
});
