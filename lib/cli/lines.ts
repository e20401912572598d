import { TextDecoder } from 'node:util';
import type { Bytes } from './input.js';

const CHUNK = 1 << 18;

/** The lines of a text, without their ends and the empty ones, some at a time. */
export async function* linesOf(source: Bytes): AsyncGenerator<string[]> {
  const decoder = new TextDecoder();
  const bytes = new Uint8Array(CHUNK);
  let rest = '';
  for (;;) {
    const count = await source.fill(bytes);
    const ended = count < CHUNK;
    const text = rest + decoder.decode(bytes.subarray(0, count), { stream: !ended });
    const lines = text.split('\n');
    rest = lines.pop() ?? '';
    if (ended) lines.push(rest);
    const full = lines.map((line) => line.trim()).filter((line) => line !== '');
    if (full.length > 0) yield full;
    if (ended) return;
  }
}
