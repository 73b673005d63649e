/**
 * Reads the examples of docs/protocol.md: each is a block `hex`, whose first line is a comment with
 * a direction and a name, and a block `json` with the same frame decoded. A block `json transcript`
 * starts a transcript, which goes on to the next one or to a heading of the second level.
 */
import { ExtData } from '@msgpack/msgpack';

export interface Example {
  /** The line of the document, for messages. */
  readonly line: number;
  readonly toServer: boolean;
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly value: readonly unknown[];
}

export interface Transcript {
  readonly heading: string;
  /** Options for `serve`. */
  readonly server: Readonly<Record<string, unknown>>;
  /** Hello and welcome are left out. */
  readonly afterHello: boolean;
  /** The server closes the connection after its last frame. */
  readonly fatal: boolean;
  readonly examples: readonly Example[];
}

export interface Document {
  readonly reference: readonly Example[];
  readonly transcripts: readonly Transcript[];
}

interface Block {
  readonly line: number;
  readonly tag: string;
  readonly text: string;
  readonly heading: string;
}

const BLOCK = /^(#{2,3} .*)$|^```([^\n]*)\n([\s\S]*?)^```$/gm;

export function readDocument(text: string): Document {
  const reference: Example[] = [];
  const transcripts: (Transcript & { examples: Example[] })[] = [];
  let current = reference;
  const blocks = blocksOf(text);
  for (const [index, block] of blocks.entries()) {
    if (block.tag === '##') current = reference;
    if (block.tag === 'json transcript') {
      current = [];
      transcripts.push({
        server: {},
        afterHello: false,
        fatal: false,
        ...JSON.parse(block.text),
        heading: block.heading,
        examples: current,
      });
    }
    if (block.tag === 'hex') current.push(readExample(block, blocks[index + 1]));
  }
  return { reference, transcripts };
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let heading = '';
  for (const match of text.matchAll(BLOCK)) {
    const line = text.slice(0, match.index).split('\n').length;
    if (match[1] !== undefined) {
      heading = match[1].replace(/^#+ /, '');
      if (match[1].startsWith('## ')) blocks.push({ line, tag: '##', text: '', heading });
    } else {
      blocks.push({ line, tag: match[2], text: match[3], heading });
    }
  }
  return blocks;
}

function readExample(hex: Block, json: Block | undefined): Example {
  const [comment, ...lines] = hex.text.trimEnd().split('\n');
  const found = /^# ([<>]) (\w+)$/.exec(comment);
  if (found === null) throw new Error(`line ${hex.line}: the comment is not "# > name"`);
  if (json?.tag !== 'json') throw new Error(`line ${hex.line}: no json block follows`);
  const digits = lines.map((line) => line.replace(/;.*/, '').trim()).join(' ');
  if (!/^[0-9a-f]{2}(?: [0-9a-f]{2})*$/.test(digits)) {
    throw new Error(`line ${hex.line}: bytes are two hexadecimal digits each`);
  }
  return {
    line: hex.line,
    toServer: found[1] === '>',
    name: found[2],
    bytes: bytesOf(digits.replaceAll(' ', '')),
    value: JSON.parse(json.text, revive),
  };
}

/** JSON has no bin and no extensions: they are written as `"hex:…"` and `{ ext, data }`. */
function revive(_key: string, value: unknown): unknown {
  if (typeof value === 'string' && value.startsWith('hex:')) return bytesOf(value.slice(4));
  if (typeof value === 'object' && value !== null && 'ext' in value && 'data' in value) {
    return new ExtData(value.ext as number, value.data as Uint8Array<ArrayBuffer>);
  }
  return value;
}

function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
