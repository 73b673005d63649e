/**
 * Ends a session, after a question that names it. The question starts on Cancel, and Escape
 * cancels; either way the focus goes back to where it was.
 */
import { type Api, Refusal } from './api.ts';
import { byId, setText } from './dom.ts';

export class Removal {
  readonly #api: Api;
  readonly #dialog = byId<HTMLDialogElement>('removal');
  readonly #problem = byId('removal-problem');
  readonly #confirm = byId<HTMLButtonElement>('removal-confirm');
  #id = '';
  #onRemoved: (wasLive: boolean) => void = () => {};

  constructor(api: Api) {
    this.#api = api;
    this.#confirm.addEventListener('click', () => void this.#remove());
    byId('removal-cancel').addEventListener('click', () => this.#dialog.close());
  }

  ask(id: string, onRemoved: (wasLive: boolean) => void): void {
    this.#id = id;
    this.#onRemoved = onRemoved;
    setText(byId('removal-id'), id);
    setText(this.#problem, '');
    this.#dialog.showModal();
    byId('removal-cancel').focus();
  }

  async #remove(): Promise<void> {
    const id = this.#id;
    this.#confirm.disabled = true;
    try {
      const wasLive = await this.#api.remove(id);
      // It may have been closed meanwhile; it is removed all the same.
      if (this.#dialog.open && this.#id === id) this.#dialog.close();
      this.#onRemoved(wasLive);
    } catch (error) {
      setText(this.#problem, problemText(error));
    } finally {
      this.#confirm.disabled = false;
    }
  }
}

function problemText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const isBusy = error instanceof Refusal && error.code === 'request_in_flight';
  return isBusy ? `Not removed: a request executes on it. Try again.` : `Not removed: ${message}.`;
}
