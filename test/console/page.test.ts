/** The page in a real browser, over a real server. */
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import type { Status } from '../../src/console/status.ts';
import { addressOf, CHROMIUM, figure, open, overflow, setUp } from './browser.ts';
import { plain } from './statuses.ts';

const MARKUP = '<img src=x onerror="window.harmed=1">';
const LOW_CONTRAST = readFileSync(new URL('./contrast.js', import.meta.url), 'utf8');

/** How long to wait for what must come; nothing is measured by it. */
const WAITING = { timeout: 20_000 };

const setup = setUp();

async function statusNow(): Promise<Status> {
  return (await fetch(`${addressOf(setup.server)}status.json`)).json() as Promise<Status>;
}

function idOf(prefix: string, number: number): string {
  return prefix + number.toString(16).padStart(32 - prefix.length, '0');
}

/** So many sessions whose ids begin alike. */
async function register(prefix: string, count: number): Promise<void> {
  const numbers = Array.from({ length: count }, (_, number) => number);
  await Promise.all(numbers.map((each) => setup.connection.session({ id: idOf(prefix, each) })));
}

async function search(page: Page, text: string): Promise<void> {
  await page.getByLabel('Id, or its first digits').fill(text);
  await page.keyboard.press('Enter');
}

function ids(page: Page): Promise<string[]> {
  return page.locator('button.id').allTextContents();
}

describe.skipIf(CHROMIUM === undefined)('the console page', () => {
  it('shows what /status.json says, while requests come and when they have come', async () => {
    const session = await setup.connection.session();
    let isLoading = true;
    const load = (async () => {
      while (isLoading) await session.request('increment', ['n', 1]);
    })();
    const page = await open(setup);
    const { totals } = await statusNow();
    await expect.poll(() => figure(page, 'requests'), WAITING).toBeGreaterThan(totals.requests);
    const shown = await figure(page, 'requests');
    expect(shown).toBeLessThanOrEqual((await statusNow()).totals.requests);
    const serving = /^Serving .+ requests a second from 1 connection;/;
    await page.getByRole('heading', { name: serving }).waitFor();
    isLoading = false;
    await load;
    await session.close();
    const last = await statusNow();
    const names = ['requests', 'commits', 'sessions'];
    const { requests, commits } = last.totals;
    await expect
      .poll(() => Promise.all(names.map((name) => figure(page, name))), WAITING)
      .toEqual([requests, commits, last.sessions]);
    expect(await figure(page, 'sessions_max')).toBe(1_000);
    expect(await figure(page, 'connections')).toBe(1);
    expect(await page.locator('#shards tr').count()).toBe(2);
    expect(await page.locator('#no-journal').isVisible()).toBe(true);
    const closed = page.getByRole('row', { name: 'Closed by their client' });
    expect(await closed.getByRole('cell').first().textContent()).toBe(String(last.totals.closed));
    const operation = page.getByRole('row', { name: 'increment' });
    const { count } = last.operations.find(({ name }) => name === 'increment')!;
    expect(plain((await operation.getByRole('cell').first().textContent())!).replace(' ', '')).toBe(
      String(count),
    );
  });

  it('finds sessions by their first digits, page by page, and one by its id', async () => {
    await register('aa', 25);
    const page = await open(setup);
    await search(page, 'AA');
    await page.getByText('Page 1, as of').waitFor();
    const first = await ids(page);
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('Page 2, as of').waitFor();
    const all = [...first, ...(await ids(page))].sort();
    expect(all).toEqual(Array.from({ length: 25 }, (_, number) => idOf('aa', number)));
    await search(page, `hex:${idOf('aa', 7)}`);
    const details = page.getByRole('region', { name: `Session ${idOf('aa', 7)}` });
    await details.getByText('none yet').waitFor();
    expect(await ids(page)).toEqual([idOf('aa', 7)]);
    await search(page, idOf('ab', 1));
    await page.getByText('No live session has this id, as of').waitFor();
  });

  it('removes a session only when that is confirmed', async () => {
    await register('bb', 2);
    const page = await open(setup);
    await search(page, 'bb');
    await page.getByRole('button', { name: idOf('bb', 1) }).click();
    const remove = page.getByRole('button', { name: 'Remove…' });
    const dialog = page.getByRole('dialog', { name: 'Remove this session?' });
    for (const cancel of ['Escape', 'Enter']) {
      await remove.click();
      await dialog.getByText(idOf('bb', 1)).waitFor();
      // The focus is on Cancel, so Enter cancels too.
      await page.keyboard.press(cancel);
      await dialog.waitFor({ state: 'hidden' });
      expect(await remove.evaluate('document.activeElement.id')).toBe('details-remove');
    }
    expect((await statusNow()).totals.removed).toBe(0);
    await remove.click();
    await dialog.getByRole('button', { name: 'Remove' }).click();
    await page.getByText(`Session ${idOf('bb', 1)} was removed.`).waitFor();
    expect(await ids(page)).toEqual([idOf('bb', 0)]);
    expect((await statusNow()).totals.removed).toBe(1);
    expect(await page.evaluate('document.activeElement.id')).toBe('search');
  });

  it('shows markup as the text that it is, wherever it comes from', async () => {
    const session = await setup.connection.session({
      id: idOf('cc', 1),
      capabilities: [MARKUP],
      data: { script: '<script>window.harmed=1</script>' },
    });
    await session.request(MARKUP, MARKUP);
    const page = await open(setup, {}, { expected: [/status of 404/] });
    await page.getByRole('row', { name: MARKUP }).waitFor();
    await search(page, MARKUP);
    await page.getByText(`“${MARKUP}” holds “<”`).waitFor();
    await search(page, idOf('cc', 1));
    await page.locator('#details').getByText(MARKUP).waitFor();
    expect(await page.content()).not.toContain('window.harmed=1</script>');
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.evaluate('window.harmed')).toBeUndefined();
    await session.close();
    await page.getByText('This session has ended.').waitFor();
  });

  it('needs no mouse', async () => {
    await register('dd', 1);
    const page = await open(setup);
    await page.keyboard.press('Tab');
    expect(await page.getByText('Skip to the figures').boundingBox()).toMatchObject({ y: 8 });
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Help' }).waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('/');
    await page.keyboard.type('dd/?');
    await page.keyboard.press('Enter');
    await page.getByText('holds “/”').waitFor();
    for (const key of ['Backspace', 'Backspace', 'Enter']) await page.keyboard.press(key);
    await page.getByText('1 session, as of').waitFor();
    for (const _ of ['idle', 'search', 'id']) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('#details').getByText('none yet').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByText(`Session ${idOf('dd', 0)} was removed.`).waitFor();
  });

  it.each(['light', 'dark'] as const)('can be read in %s', async (colorScheme) => {
    const id = idOf(colorScheme === 'dark' ? 'ed' : 'ee', 0);
    await setup.connection.session({ id });
    const page = await open(setup, { colorScheme });
    const background = 'getComputedStyle(document.body).backgroundColor';
    await search(page, id);
    await page.locator('#details').getByText('none yet').waitFor();
    expect(await page.evaluate(`(${LOW_CONTRAST})()`)).toEqual([]);
    await page.getByRole('button', { name: 'Remove…' }).click();
    expect(await page.evaluate(`(${LOW_CONTRAST})()`)).toEqual([]);
    await page.keyboard.press('Escape');
    const before = await page.evaluate(background);
    const other = colorScheme === 'dark' ? 'Light theme' : 'Dark theme';
    await page.getByRole('button', { name: other }).click();
    const after = await page.evaluate(background);
    expect(after).not.toBe(before);
    expect(await page.evaluate(`(${LOW_CONTRAST})()`)).toEqual([]);
    await page.reload();
    expect(await page.evaluate(background)).toBe(after);
  });

  it('fits a phone', async () => {
    await register('ff', 3);
    const page = await open(setup, { viewport: { width: 360, height: 740 } });
    await search(page, idOf('ff', 1));
    await page.locator('#details').getByText('none yet').waitFor();
    expect(await overflow(page)).toBe(0);
    await search(page, `no id ${'x'.repeat(150)}`);
    await page.getByText('holds “n”').waitFor();
    expect(await overflow(page)).toBe(0);
    await page.getByRole('button', { name: 'Help' }).click();
    expect(await overflow(page)).toBe(0);
  });
});
