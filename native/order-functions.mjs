/**
 * Puts the functions of a WebAssembly module in an order in which gzip finds more to repeat: after each function the one that
 * shares most with what gzip still sees. It saves a twentieth. The order goes into the names of the functions, by which
 * Binaryen then sorts them (`--reorder-functions-by-name`).
 */

/** gzip looks back so many bytes; a function's own code takes some of them. */
const WINDOW = 30_000;
/** Pieces of code that are compared are so many bytes. */
const PIECE = 5;
const CODE_SECTION = 10;

/** The module with a name for each function, by its place. The module has no names of its own, and imports no function. */
export function namedByPlace(module) {
  const names = orderOf(functionsOf(module));
  const places = new Array(names.length);
  for (const [place, index] of names.entries()) places[index] = String(place).padStart(5, '0');
  const map = [...leb(places.length), ...places.flatMap((name, index) => [...leb(index), ...text(name)])];
  const section = [...text('name'), 1, ...leb(map.length), ...map];
  return Buffer.concat([module, Buffer.from([0, ...leb(section.length), ...section])]);
}

function orderOf(functions) {
  const pieces = piecesOf(functions);
  const left = new Set(functions.keys());
  const seen = new Uint32Array(pieces.count); // how often a piece is in the window
  const order = [];
  let next = 0; // the longest
  for (const index of left) if (functions[index].length > functions[next].length) next = index;
  let oldest = 0;
  let length = 0;
  while (next !== undefined) {
    order.push(next);
    left.delete(next);
    length += functions[next].length;
    for (const piece of pieces.of[next]) seen[piece]++;
    while (oldest < order.length - 1 && length - functions[order[oldest]].length > WINDOW) {
      length -= functions[order[oldest]].length;
      for (const piece of pieces.of[order[oldest++]]) seen[piece]--;
    }
    next = nearest(left, pieces.of, seen);
  }
  return order;
}

/** The function of which the greatest part was seen. */
function nearest(left, pieces, seen) {
  let best;
  let most = -1;
  for (const index of left) {
    let count = 0;
    for (const piece of pieces[index]) if (seen[piece] > 0) count++;
    const share = count / (pieces[index].length || 1);
    if (share > most) [most, best] = [share, index];
  }
  return best;
}

/** The distinct pieces of each function, numbered. */
function piecesOf(functions) {
  const numbers = new Map();
  const of = functions.map((code) => {
    const own = new Set();
    for (let at = 0; at + PIECE <= code.length; at++) {
      const piece = Math.imul(code.readInt32LE(at), 0x01000193) ^ code[at + 4]; // two that are taken for one do no harm
      let number = numbers.get(piece);
      if (number === undefined) {
        number = numbers.size;
        numbers.set(piece, number);
      }
      own.add(number);
    }
    return Uint32Array.from(own);
  });
  return { of, count: numbers.size };
}

/** The code of each function. */
function functionsOf(module) {
  let at = 8;
  const number = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  };
  while (at < module.length) {
    const section = module[at++];
    const end = number() + at;
    if (section === CODE_SECTION) {
      return Array.from({ length: number() }, () => {
        const length = number();
        at += length;
        return module.subarray(at - length, at);
      });
    }
    at = end;
  }
  return [];
}

function leb(value) {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
  return [...bytes, value];
}

const text = (string) => [...leb(string.length), ...Buffer.from(string)];
