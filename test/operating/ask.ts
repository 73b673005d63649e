/** Asks the operator's port of a server for something. */
export async function ask(port: number, path: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${port}${path}`)).text();
}
