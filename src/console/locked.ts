/**
 * Asks for a token when the server wants one. The field is emptied at once, and the token is handed
 * on and kept nowhere else.
 */
import type { Refusal } from './api.ts';
import { byId, setText } from './dom.ts';

export class Locked {
  readonly #dialog = byId<HTMLDialogElement>('token-dialog');
  readonly #input = byId<HTMLInputElement>('token');

  constructor(onToken: (token: string) => void) {
    byId('token-form').addEventListener('submit', (event) => {
      event.preventDefault();
      const token = this.#input.value.trim();
      this.#input.value = '';
      if (token !== '') onToken(token);
    });
    byId('token-cancel').addEventListener('click', () => this.#dialog.close());
    byId('locked-open').addEventListener('click', () => this.#open());
  }

  /** @param isRetry a token was given, and this is what the server said to it */
  ask(refusal: Refusal, isRetry: boolean): void {
    setText(byId('token-problem'), isRetry ? `Not accepted: ${refusal.message}.` : '');
    this.#open();
  }

  close(): void {
    if (this.#dialog.open) this.#dialog.close();
  }

  #open(): void {
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#input.focus();
  }
}
