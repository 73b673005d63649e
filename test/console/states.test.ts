/** What the page says when its server is gone, came back as another, or wants a token. */
import type { Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { connect } from '../../dist/index.js';
import { addressOf, CHROMIUM, open, setUp, startServer } from './browser.ts';

const setup = setUp();

/** What the server does to those who come from other machines. */
async function wantToken(page: Page): Promise<void> {
  await page.route('**/*.json*', (route) => {
    if (route.request().headers().authorization === 'Bearer right') return route.continue();
    const refusal = { code: 'unauthorized', message: 'the token was not accepted' };
    return route.fulfill({ status: 401, json: refusal });
  });
}

describe.skipIf(CHROMIUM === undefined)('the console page', () => {
  it('says that its server is gone, asks on, and begins anew with the next one', async () => {
    const first = await startServer(0, 0);
    let last = first;
    onTestFinished(() => last.stop());
    const url = addressOf(first);
    // So that the next one, which is in this same process, has counted less.
    const connection = await connect({ port: first.address.port });
    await connection.session();
    await connection.close();
    // The browser itself writes down each request that fails.
    const page = await open(setup, {}, { url, expected: [/net::ERR_/] });
    await page.getByRole('heading', { name: 'Waiting for clients' }).waitFor();
    await first.stop();
    await page.getByText(/^No answer since \d\d:\d\d:\d\d, for .* every 2\ss\./).waitFor();
    expect(await page.title()).toBe('No answer – sessile console');
    last = await startServer(0, Number(new URL(url).port));
    await page.getByText('The server started again, seen at').waitFor();
    expect(await page.title()).toBe('sessile console');
    await page.getByRole('button', { name: 'Dismiss' }).click();
    expect(await page.locator('#notice, #problem').filter({ visible: true }).count()).toBe(0);
  });

  it('asks for a token, keeps it in memory only, and says when it is not accepted', async () => {
    const page = await open(setup, {}, { expected: [/status of 401/], prepare: wantToken });
    const token = page.getByLabel('Token of an operator');
    await token.fill('wrong');
    await page.keyboard.press('Enter');
    await page.getByText('Not accepted: the token was not accepted.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Enter a token' }).click();
    await token.fill('right');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'No requests now' }).waitFor();
    expect(await page.getByRole('dialog').count()).toBe(0);
    const stored = '[document.cookie, JSON.stringify({ ...localStorage, ...sessionStorage })]';
    expect(await page.evaluate(stored)).toEqual(['', '{}']);
    await page.reload();
    await token.waitFor();
  });
});
