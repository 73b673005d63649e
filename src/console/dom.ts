/**
 * The little that the page needs of the document. Text only ever becomes text here: nothing that a
 * server or a person wrote is read as markup.
 */

/** The element with this id, which the page's HTML is known to have. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no element ${id}`);
  return found as E;
}

/** Writes a text where it differs: an element that stays the same keeps a reader's selection. */
export function setText(node: Element, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function create<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  text = '',
  className = '',
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (text !== '') made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

/**
 * Brings a table's body to these rows, and keeps the elements that are there. The first cell of a
 * row is its header. Without rows the body says so in a row of its own.
 */
export function setRows(
  body: HTMLTableSectionElement,
  rows: readonly (readonly string[])[],
  empty = '',
): void {
  const wasEmpty = body.dataset.empty !== undefined;
  if (rows.length === 0) {
    if (!wasEmpty || body.textContent !== empty) body.replaceChildren(emptyRow(body, empty));
    body.dataset.empty = '';
    return;
  }
  if (wasEmpty) body.replaceChildren();
  delete body.dataset.empty;
  while (body.rows.length > rows.length) body.deleteRow(-1);
  for (const [index, cells] of rows.entries()) {
    const row = body.rows[index] ?? body.appendChild(newRow(cells.length));
    for (const [at, text] of cells.entries()) setText(row.cells[at], text);
  }
}

function newRow(cells: number): HTMLTableRowElement {
  const row = create('tr');
  for (let at = 0; at < cells; at++) {
    const cell = row.appendChild(create(at === 0 ? 'th' : 'td'));
    if (at === 0) cell.scope = 'row';
  }
  return row;
}

function emptyRow(body: HTMLTableSectionElement, text: string): HTMLTableRowElement {
  const row = create('tr');
  const cell = row.appendChild(create('td', text, 'empty'));
  cell.colSpan = body.closest('table')?.tHead?.rows[0].cells.length ?? 1;
  return row;
}

/** Whether somebody is typing, so that keys belong to them. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(?:INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
}
