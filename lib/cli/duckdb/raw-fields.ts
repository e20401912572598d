/**
 * The fields of JSON objects as the text that they are. The engine reads a number as a double and writes that again:
 * 1e5 would become 100000.0, 1.50 become 1.5, and a fraction of more than 17 digits lose some.
 */
import type { Engine } from './engine.js';

/** Registers `raw_fields(json) → VARCHAR[]`: the text of each of the keys, `null` where there is none. */
export function registerRawFields(
  { bindings, connection, vectors }: Engine,
  keys: readonly string[],
): string {
  const name = `raw_fields_${functions++}`;
  const places = new Map(keys.map((key, i) => [key, i]));
  const text = bindings.create_logical_type(bindings.Type.VARCHAR);
  const definition = bindings.create_scalar_function();
  bindings.scalar_function_set_name(definition, name);
  bindings.scalar_function_add_parameter(definition, text);
  bindings.scalar_function_set_return_type(definition, bindings.create_list_type(text));
  bindings.scalar_function_set_special_handling(definition);
  bindings.scalar_function_set_function(definition, (_, input, output) => {
    const rows = bindings.data_chunk_get_size(input);
    const texts = vectors.textsOf(bindings, bindings.data_chunk_get_vector(input, 0), rows);
    vectors.writeTextLists(
      bindings,
      output,
      texts.map((json) => rawFields(json ?? '', places)),
    );
  });
  bindings.register_scalar_function(connection, definition);
  return name;
}

let functions = 0;

/** Whether a field of any of these objects has a number that the engine would write with other digits. */
export function hasOtherDigits(text: string, keys: readonly string[]): boolean {
  const places = new Map(keys.map((key, i) => [key, i]));
  for (let at = text.indexOf('{'); at >= 0; at = text.indexOf('{', at)) {
    const end = valueEnd(text, at);
    if (rawFields(text.slice(at, end), places).some(isRewritten)) return true;
    at = Math.max(end, at + 1);
  }
  return false;
}

/** The engine takes a number with a fraction or an exponent for a double, and writes that by its shortest digits. */
function isRewritten(json: string): boolean {
  const plain = json.includes('"') ? json.replace(/"(?:[^"\\]|\\.)*"/gs, '') : json;
  return (plain.match(/-?\d+(\.\d+)?([eE][+-]?\d+)?/g) ?? []).some((number) => {
    if (!/[.eE]/.test(number)) return number === '-0';
    const digits = String(Number(number)).replace('e+', 'e');
    return number !== (/[.e]/.test(digits) ? digits : `${digits}.0`) && number !== '-0.0';
  });
}

/** @param places which key goes where. */
export function rawFields(json: string, places: ReadonlyMap<string, number>): string[] {
  const fields = new Array<string>(places.size).fill('null');
  let at = afterSpace(json, 0);
  if (json[at] !== '{') return fields;
  for (at = afterSpace(json, at + 1); json[at] === '"'; ) {
    const keyEnd = valueEnd(json, at);
    const raw = json.slice(at, keyEnd);
    const key = keyOf(raw);
    at = afterSpace(json, keyEnd);
    if (json[at] !== ':') return fields;
    at = afterSpace(json, at + 1);
    const end = valueEnd(json, at);
    const place = places.get(key);
    if (place !== undefined) fields[place] = withoutSpace(json.slice(at, end));
    at = afterSpace(json, end);
    if (json[at] !== ',') return fields;
    at = afterSpace(json, at + 1);
  }
  return fields;
}

function keyOf(raw: string): string {
  if (!raw.includes('\\')) return raw.slice(1, -1);
  try {
    return JSON.parse(raw);
  } catch {
    return raw; // no key of an object: the engine says what is wrong
  }
}

function afterSpace(json: string, from: number): number {
  let at = from;
  while (json[at] === ' ' || json[at] === '\t' || json[at] === '\n' || json[at] === '\r') at++;
  return at;
}

/** Where a value that begins there ends. */
function valueEnd(json: string, from: number): number {
  if (json[from] === '"') {
    for (let at = from + 1; at < json.length; at++) {
      if (json[at] === '\\') at++;
      else if (json[at] === '"') return at + 1;
    }
    return json.length;
  }
  let depth = 0;
  for (let at = from; at < json.length; at++) {
    switch (json[at]) {
      case '"':
        at = valueEnd(json, at) - 1;
        break;
      case '{':
      case '[':
        depth++;
        break;
      case '}':
      case ']':
        if (depth === 0) return at;
        if (--depth === 0) return at + 1;
        break;
      case ',':
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        if (depth === 0) return at;
    }
  }
  return json.length;
}

/** A line of NDJSON has no line breaks inside. */
function withoutSpace(value: string): string {
  if (value[0] === '"' || !/\s/.test(value)) return value;
  return value.replace(/("(?:[^"\\]|\\.)*")|\s+/gs, '$1');
}
