/** A value of Python's literal syntax, as far as .npy headers use it; lists and tuples both become arrays. */
export type PythonLiteral = string | number | boolean | null | PythonLiteral[] | Map<string, PythonLiteral>;

const TOKEN = /\s*(?:('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(-?\d+)L?|(True|False|None)|([[\](){}:,]))/y;
const NAMED = new Map<string, boolean | null>([
  ['True', true],
  ['False', false],
  ['None', null],
]);

/** @throws SyntaxError where the text is anything but one literal. */
export function parsePythonLiteral(text: string): PythonLiteral {
  let at = 0;
  let depth = 0;

  function next(): RegExpExecArray {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text);
    if (!token) throw new SyntaxError(`not a Python literal: ${text.slice(at, at + 20)}`);
    at = TOKEN.lastIndex;
    return token;
  }

  function closes(bracket: string): boolean {
    const before = at;
    if (next()[4] === bracket) return true;
    at = before;
    return false;
  }

  function demand(punctuation: string): void {
    if (next()[4] !== punctuation) throw new SyntaxError(`missing ${punctuation}`);
  }

  /** Items up to the closing bracket, with or without a comma after the last. */
  function items(bracket: string, item: () => void): void {
    while (!closes(bracket)) {
      item();
      if (closes(bracket)) return;
      demand(',');
    }
  }

  function value(): PythonLiteral {
    const [, quoted, integer, name, bracket] = next();
    if (quoted !== undefined) return quoted.slice(1, -1);
    if (integer !== undefined) return Number(integer);
    if (name !== undefined) return NAMED.get(name) ?? null;
    if (++depth > 32) throw new SyntaxError('nested too deep');
    try {
      if (bracket === '(' || bracket === '[') {
        const list: PythonLiteral[] = [];
        items(bracket === '(' ? ')' : ']', () => list.push(value()));
        return list;
      }
      if (bracket === '{') {
        const entries = new Map<string, PythonLiteral>();
        items('}', () => {
          const key = value();
          demand(':');
          entries.set(String(key), value());
        });
        return entries;
      }
    } finally {
      depth--;
    }
    throw new SyntaxError(`unexpected ${bracket}`);
  }

  const literal = value();
  if (text.slice(at).trim() !== '') throw new SyntaxError(`unexpected ${text.slice(at, at + 20)}`);
  return literal;
}
