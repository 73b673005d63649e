/**
 * The console page: asks the server once a second and shows what it says. Nothing is loaded from
 * anywhere else, and nothing is kept but the choice of a theme and of single keys.
 */
import { Api, type Refusal } from './api.ts';
import { differenceOf, hasRestarted, historyRow } from './differences.ts';
import { byId, create, setRows, setText } from './dom.ts';
import { FIELDS, type Field, plotText, type View } from './fields.ts';
import { clock, duration } from './format.ts';
import { headline, type Phrase, sentence } from './headline.ts';
import { listenForKeys } from './keys.ts';
import { Locked } from './locked.ts';
import { Plots } from './plots.ts';
import { endRows, operationRows, refusalRows, shardRows } from './rows.ts';
import { Series } from './series.ts';
import { Sessions } from './sessions.ts';
import type { History, Status } from './status.ts';
import { followTheme } from './theme.ts';
import { RETRY_MS, Watch } from './watch.ts';

/** Figures in words are those of so many statuses, one a second. */
const RECENT_STATUSES = 6;

/** The sentence is read out to those who listen at most this often. */
const ANNOUNCE_MS = 30_000;

const TITLE = document.title;

type State = 'loading' | 'live' | 'gone' | 'locked';

class Page {
  readonly #api = new Api();
  readonly #series = new Series();
  readonly #plots = new Plots(this.#series);
  readonly #sessions = new Sessions(this.#api);
  readonly #watch = new Watch(this.#api, this);
  readonly #locked = new Locked((token) => {
    this.#api.useToken(token);
    void this.#watch.start();
  });
  readonly #fields: readonly (readonly [Element, Field])[];
  #recent: Status[] = [];
  #announcedMs = 0;

  constructor() {
    const places = [...document.querySelectorAll<HTMLElement>('[data-field]')];
    this.#fields = places.map((place) => {
      const name = place.dataset.field ?? '';
      const field = FIELDS[name];
      if (field === undefined) throw new Error(`there is no figure ${name}`);
      return [place, field] as const;
    });
  }

  start(): void {
    followTheme(() => this.#plots.repaint());
    listenForKeys();
    byId('notice-dismiss').addEventListener('click', () => {
      byId('notice').hidden = true;
    });
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) void this.#watch.start();
    });
    void this.#watch.start();
  }

  onHistory(history: History): void {
    this.#series.load(history);
    this.#sessions.reload();
  }

  onStatus(status: Status): void {
    const last = this.#recent.at(-1);
    if (last !== undefined && hasRestarted(last, status)) this.#recent = [];
    const before = this.#recent.at(-1);
    if (before !== undefined) this.#series.add(historyRow(status, differenceOf(before, status)));
    this.#recent.push(status);
    if (this.#recent.length > RECENT_STATUSES) this.#recent.shift();
    this.#locked.close();
    this.#enter('live', 'Live');
    // Of a single status nothing is known but how it was on average.
    if (before === undefined) return;
    this.#show({ status, recent: differenceOf(this.#recent[0], status) });
    void this.#sessions.refreshDetails();
  }

  onRestart(uptimeMs: number): void {
    this.#series.clear();
    setText(
      byId('notice-text'),
      `The server started again, seen at ${clock(Date.now())}. The process before it had been up ` +
        `for ${duration(uptimeMs)}. All counts and plots began anew.`,
    );
    byId('notice').hidden = false;
  }

  onGone(sinceMs: number, reason: string): void {
    const times = `since ${clock(sinceMs)}, for ${duration(Date.now() - sinceMs)}`;
    const problem = byId('problem-text');
    setText(
      problem,
      `No answer ${times}: ${reason}. Asking again every ${duration(RETRY_MS)}. ` +
        'What is shown below is from before.',
    );
    this.#enter('gone', 'No answer');
    this.#announce('The server does not answer.', true);
  }

  onLocked(refusal: Refusal): void {
    this.#enter('locked', 'Locked');
    this.#locked.ask(refusal, this.#api.hasToken);
  }

  #enter(state: State, text: string): void {
    const hasChanged = document.body.dataset.state !== state;
    document.body.dataset.state = state;
    setText(byId('state'), text);
    document.title = state === 'live' ? TITLE : `${text} – ${TITLE}`;
    byId('problem').hidden = state !== 'gone';
    byId('locked').hidden = state !== 'locked';
    if (hasChanged) this.#announcedMs = 0;
  }

  #show(view: View): void {
    const phrases = headline(view.status, view.recent);
    this.#showHeadline(phrases);
    this.#announce(sentence(phrases), false);
    for (const [place, field] of this.#fields) setText(place, field(view));
    this.#showShards(view.status);
    const body = (id: string): HTMLTableSectionElement => byId(id);
    setRows(body('ends'), endRows(view));
    setRows(body('refusals'), refusalRows(view), 'Nothing was refused since the start.');
    setRows(body('operations'), operationRows(view), 'Nothing was executed since the start.');
    byId('journal').hidden = view.status.journal === null;
    byId('no-journal').hidden = view.status.journal !== null;
    for (const kind of ['throughput', 'latency'] as const) {
      byId(`${kind}-plot`).setAttribute('aria-label', `${kind}, ${plotText(kind, view)}`);
    }
    this.#plots.update();
  }

  #showHeadline(phrases: readonly Phrase[]): void {
    const place = byId('headline');
    if (place.textContent === sentence(phrases)) return;
    place.replaceChildren(
      ...phrases.map(({ text, kind }) =>
        kind === 'plain' ? document.createTextNode(text) : create('strong', text, kind),
      ),
    );
  }

  #showShards(status: Status): void {
    byId('capacity').style.setProperty(
      '--part',
      String(Math.min(1, status.sessions / Math.max(1, status.sessions_max))),
    );
    const rows = shardRows(status);
    const body = byId<HTMLTableSectionElement>('shards');
    setRows(
      body,
      rows.map(({ cells }) => cells),
    );
    for (const [index, { part }] of rows.entries()) {
      body.rows[index].style.setProperty('--part', String(part));
    }
  }

  /** Tells those who listen, and not more often than they can bear. */
  #announce(text: string, onlyOnce: boolean): void {
    const now = Date.now();
    const waitMs = onlyOnce ? Number.POSITIVE_INFINITY : ANNOUNCE_MS;
    if (this.#announcedMs !== 0 && now - this.#announcedMs < waitMs) return;
    this.#announcedMs = now;
    setText(byId('announced'), text);
  }
}

new Page().start();
