/**
 * Completes dist/console after tsc: what the page needs besides its compiled modules. The plot
 * library goes along as it is, with its licence, so that the page loads nothing from elsewhere.
 */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';

const SOURCE = new URL('../src/console/', import.meta.url);
const PLOTS = new URL('../node_modules/uplot/', import.meta.url);
const TARGET = new URL('../dist/console/', import.meta.url);

mkdirSync(TARGET, { recursive: true });
for (const name of readdirSync(SOURCE)) {
  if (/\.(?:html|css|svg)$/.test(name)) copyFileSync(new URL(name, SOURCE), new URL(name, TARGET));
}
for (const name of ['uPlot.esm.js', 'uPlot.min.css']) {
  copyFileSync(new URL(`dist/${name}`, PLOTS), new URL(name, TARGET));
}
copyFileSync(new URL('LICENSE', PLOTS), new URL('uPlot.LICENSE', TARGET));
