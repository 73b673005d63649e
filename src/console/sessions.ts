/**
 * Sessions: search by id or its first digits, page through them, look at one, remove it. Lists are
 * as of the moment they were asked for; the one that is open is asked again every second.
 */
import { type Api, NoAnswer, Refusal } from './api.ts';
import { byId, create, setText } from './dom.ts';
import { clock, counted } from './format.ts';
import { Removal } from './removal.ts';
import { detailRows, sessionRow } from './rows.ts';
import { parseSearch, type Search } from './search.ts';
import type { SessionDetails, SessionEntry, SessionPage } from './status.ts';

const PAGE_SESSIONS = 20;

export class Sessions {
  readonly #api: Api;
  readonly #removal: Removal;
  readonly #input = byId<HTMLInputElement>('search');
  readonly #idle = byId<HTMLSelectElement>('idle');
  readonly #note = byId('sessions-note');
  readonly #body = byId<HTMLTableSectionElement>('sessions-rows');
  readonly #previous = byId<HTMLButtonElement>('page-previous');
  readonly #next = byId<HTMLButtonElement>('page-next');
  readonly #details = byId('details');
  /** Where each page up to the one shown begins; null is the beginning of all. */
  #cursors: (string | null)[] = [null];
  #nextCursor: string | null = null;
  #search: Search = { kind: 'all' };
  /** The session whose details are open. */
  #openId: string | undefined;
  /** It ended, and its id may be another session's by and by: it is asked for no more. */
  #hasEnded = false;
  /** Grows with each question, so that a late answer to an earlier one is passed over. */
  #asked = 0;
  #isAsking = false;

  constructor(api: Api) {
    this.#api = api;
    this.#removal = new Removal(api);
    byId('search-form').addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#start();
    });
    this.#idle.addEventListener('change', () => void this.#start());
    byId('sessions-refresh').addEventListener('click', () => void this.#load());
    this.#next.addEventListener('click', () => {
      this.#cursors.push(this.#nextCursor);
      void this.#load();
    });
    this.#previous.addEventListener('click', () => {
      this.#cursors.pop();
      void this.#load();
    });
    byId('details-close').addEventListener('click', () => this.#close());
    byId('details-remove').addEventListener('click', () => this.#askRemoval());
  }

  /** From the first page, by what the search now says. */
  async #start(): Promise<void> {
    const search = parseSearch(this.#input.value);
    this.#input.setAttribute('aria-invalid', String(search.kind === 'invalid'));
    if (search.kind === 'invalid') {
      setText(this.#note, `${search.reason}.`);
      return;
    }
    this.#search = search;
    this.#cursors = [null];
    const found = await this.#load();
    if (search.kind === 'id' && found.length === 1) await this.#open(search.id);
  }

  /** Reads the list again, unless somebody just asked for one. */
  reload(): void {
    if (!this.#isAsking) void this.#load();
  }

  /** Asks for the page that the last cursor begins, and shows what it holds. */
  async #load(): Promise<readonly SessionEntry[]> {
    this.#asked += 1;
    const asked = this.#asked;
    this.#isAsking = true;
    try {
      const page = await this.#api.sessions(this.#query());
      if (asked !== this.#asked) return [];
      this.#isAsking = false;
      this.#show(page);
      return page.sessions;
    } catch (error) {
      if (asked !== this.#asked) return [];
      this.#isAsking = false;
      // Another server, or the same one after a restart, does not know this page's cursor.
      if (error instanceof Refusal && error.status === 400 && this.#cursors.length > 1) {
        this.#cursors = [null];
        return this.#load();
      }
      setText(this.#note, `The list could not be read: ${messageOf(error)}.`);
      return [];
    }
  }

  #query(): URLSearchParams {
    const query = new URLSearchParams({ limit: String(PAGE_SESSIONS) });
    if (this.#search.kind === 'prefix') query.set('prefix', this.#search.prefix);
    if (this.#search.kind === 'id') query.set('prefix', this.#search.id);
    const cursor = this.#cursors.at(-1) ?? null;
    if (cursor !== null) query.set('cursor', cursor);
    if (this.#idle.value !== '') query.set('idle_ms_min', this.#idle.value);
    return query;
  }

  #show({ sessions, cursor }: SessionPage): void {
    this.#nextCursor = cursor;
    const rows = sessions.map((entry) => {
      const row = create('tr');
      const [id, ...cells] = sessionRow(entry);
      const header = row.appendChild(create('th'));
      header.scope = 'row';
      const button = header.appendChild(create('button', id, 'id'));
      button.type = 'button';
      button.addEventListener('click', () => void this.#open(id));
      for (const text of cells) row.append(create('td', text));
      return row;
    });
    // What has the focus must not vanish, or be disabled, from under it.
    const focused = document.activeElement;
    this.#body.replaceChildren(...rows);
    this.#previous.disabled = this.#cursors.length === 1;
    this.#next.disabled = cursor === null;
    const isLost = focused instanceof HTMLButtonElement && focused.disabled;
    if (isLost || !focused?.isConnected) {
      const same = this.#buttonOf(focused?.textContent);
      (same ?? byId('sessions-refresh')).focus();
    }
    this.#mark();
    setText(this.#note, this.#noteText(sessions.length));
  }

  #noteText(count: number): string {
    const as = `as of ${clock(Date.now())}`;
    const page = this.#cursors.length;
    if (count > 0) {
      const all = page === 1 && this.#nextCursor === null;
      const shown = all ? counted(count, 'session', 'sessions') : `Page ${page}`;
      return `${shown}, ${as}.`;
    }
    if (page > 1) return `Page ${page} is empty, ${as}: there are no more sessions.`;
    if (this.#search.kind === 'id') return `No live session has this id, ${as}.`;
    const isFiltered = this.#search.kind !== 'all' || this.#idle.value !== '';
    return `${isFiltered ? 'No live session is like this' : 'No session is live'}, ${as}.`;
  }

  async #open(id: string): Promise<void> {
    this.#openId = id;
    this.#hasEnded = false;
    this.#mark();
    await this.refreshDetails();
    if (this.#openId !== id) return;
    this.#details.scrollIntoView({ block: 'nearest' });
    byId('details-title').focus({ preventScroll: true });
  }

  /** Asks for the open session again. One that ended stays open and says so. */
  async refreshDetails(): Promise<void> {
    const id = this.#openId;
    if (id === undefined || this.#hasEnded) return;
    try {
      const found = await this.#api.session(id);
      if (this.#openId === id) this.#showDetails(id, found);
    } catch (error) {
      // That the server is gone is said elsewhere, and its last word stays.
      if (error instanceof NoAnswer || this.#openId !== id) return;
      setText(byId('details-note'), `It could not be read: ${messageOf(error)}.`);
    }
  }

  #showDetails(id: string, found: SessionDetails | null): void {
    this.#details.hidden = false;
    this.#hasEnded = found === null;
    setText(byId('details-id'), id);
    setText(byId('details-note'), found === null ? 'This session has ended.' : '');
    byId<HTMLButtonElement>('details-remove').hidden = found === null;
    const list = byId('details-fields');
    list.hidden = found === null;
    if (found === null) return;
    const rows = detailRows(found);
    if (list.children.length !== rows.length) {
      const pairs = rows.map(([name]) => {
        const pair = create('div');
        pair.append(create('dt', name), create('dd'));
        return pair;
      });
      list.replaceChildren(...pairs);
    }
    for (const [index, [, value]] of rows.entries()) {
      const place = list.children[index].lastElementChild;
      if (place !== null) setText(place, value);
    }
  }

  #askRemoval(): void {
    const id = this.#openId;
    if (id === undefined) return;
    this.#removal.ask(id, (wasLive) => {
      if (this.#openId === id) this.#close();
      this.#input.focus();
      void this.#load().then(() => {
        const text = wasLive ? `Session ${id} was removed.` : `Session ${id} had already ended.`;
        setText(this.#note, text);
      });
    });
  }

  /** Closes the details. The focus goes to the row they came from, or to the search. */
  #close(): void {
    const id = this.#openId;
    this.#openId = undefined;
    this.#details.hidden = true;
    this.#mark();
    (this.#buttonOf(id) ?? this.#input).focus();
  }

  /** What opens the session with this id, if it is on this page of the list. */
  #buttonOf(id: string | null | undefined): HTMLButtonElement | undefined {
    const buttons = [...this.#body.querySelectorAll<HTMLButtonElement>('button.id')];
    return buttons.find(({ textContent }) => textContent === id);
  }

  #mark(): void {
    for (const button of this.#body.querySelectorAll<HTMLButtonElement>('button.id')) {
      const isOpen = button.textContent === this.#openId;
      button.setAttribute('aria-expanded', String(isOpen));
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
