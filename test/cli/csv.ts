/** Two lines of CSV as an object: the names and their values. */
export function parseCsv(text: string): Record<string, string> {
  const [names, values, ...rest] = text.trimEnd().split('\n').map(cellsOf);
  if (rest.length > 0) throw new Error(`${rest.length} lines more than two`);
  if (names.length !== values.length) throw new Error(`${names.length} and ${values.length} cells`);
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

function cellsOf(line: string): string[] {
  const cells = line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g);
  return [...cells].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain);
}
