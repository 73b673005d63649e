/**
 * Single keys: `/` goes to the search, `?` opens the help, where they can also be switched off for
 * those whose speech or habits press keys by accident.
 */
import { byId, isTyping } from './dom.ts';
import { stores } from './theme.ts';

const STORED_AS = 'sessile-keys';

export function listenForKeys(): void {
  const help = byId<HTMLDialogElement>('help');
  const isOn = byId<HTMLInputElement>('keys-on');
  isOn.checked = stores(() => localStorage.getItem(STORED_AS)) !== 'off';
  isOn.addEventListener('change', () => {
    stores(() => localStorage.setItem(STORED_AS, isOn.checked ? 'on' : 'off'));
  });
  byId('help-open').addEventListener('click', () => help.showModal());
  document.addEventListener('keydown', (event) => {
    const isCombined = event.ctrlKey || event.metaKey || event.altKey;
    const isOpen = document.querySelector('dialog[open]') !== null;
    if (!isOn.checked || isCombined || isOpen || isTyping(event.target)) return;
    if (event.key === '?') help.showModal();
    else if (event.key === '/') byId('search').focus();
    else return;
    event.preventDefault();
  });
}
