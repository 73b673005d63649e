/** Listening where others can listen too: only with TLS, or when it is said to be fine. */
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { errorOf } from '../client/peer.ts';
import { fileWith } from './files.ts';
import { LIST, start } from './setup.ts';

const fixture = (name: string): string =>
  fileURLToPath(new URL(`./certificates/${name}`, import.meta.url));
const TLS = { tlsCert: fixture('server.pem'), tlsKey: fixture('server.key') };

describe('beyond loopback', () => {
  test.each(['0.0.0.0', '::', '192.0.2.1', 'example.org', '127.0.0.1.example.org', '0'])(
    'a server does not listen on %s without TLS',
    async (host) => {
      const error = await errorOf(start({ host }));
      expect(error).toMatchObject({ code: 'invalid_options', option: 'host' });
      expect(error.message).toMatch(/tlsCert and tlsKey.*insecure/);
    },
  );

  test('it does with TLS or if told so, and warns when it asks for no tokens', async () => {
    const notices: string[] = [];
    const onNotice = (text: string): void => void notices.push(text);
    const host = '0.0.0.0';
    await start({ host, ...TLS, tokens: fileWith(LIST), onNotice });
    await start({ host, insecure: true, tokens: fileWith(LIST), onNotice });
    expect(notices).toEqual([]);
    await start({ host, ...TLS, onNotice });
    await start({ host, insecure: true, onNotice });
    const warning = 'whoever reaches 0.0.0.0 may do everything here: no tokens are asked for';
    expect(notices).toEqual([warning, warning]);
  });
});

test('on loopback nothing is asked for, and nothing said', async () => {
  const notices: string[] = [];
  const onNotice = (text: string): void => void notices.push(text);
  for (const host of ['localhost', '127.0.0.1', '127.8.9.10']) await start({ host, onNotice });
  expect(notices).toEqual([]);
});
