/** Values beside the scores as JSON: numbers by the shortest digits that read back, and by a name where they are none. */
import { literal } from './engine.js';

/** @param type as SQL calls it. */
export function jsonValue(sql: string, type: string, depth = 0): string {
  if (type === 'FLOAT' || type === 'DOUBLE') return jsonNumber(sql, type);
  if (!/\b(FLOAT|DOUBLE)\b/.test(type)) return sql;
  const each = (list: string, item: string) =>
    `list_transform(${list}, lambda x${depth}: ${jsonValue(`x${depth}`, item, depth + 1)})`;
  const [, item] = type.match(/^(.*)\[\d*\]$/s) ?? [];
  if (item === 'FLOAT' || item === 'DOUBLE') {
    // Without any that is none it is quicker.
    const doubles = item === 'FLOAT' ? `${sql}::VARCHAR[]::DOUBLE[]` : sql;
    const finite = `coalesce(isfinite(list_max(${sql})) AND isfinite(list_min(${sql})), true)`;
    return `CASE WHEN ${finite} THEN to_json(${doubles}) ELSE to_json(${each(sql, item)}) END`;
  }
  if (item !== undefined) return each(sql, item);
  const [, kind, inner] = type.match(/^(STRUCT|MAP)\((.*)\)$/s) ?? [];
  if (kind === 'MAP') {
    const [, value] = partsOf(inner);
    return `CASE WHEN ${sql} IS NOT NULL THEN map(map_keys(${sql}), ${each(`map_values(${sql})`, value)}) END`;
  }
  if (kind === undefined) return sql;
  const members = partsOf(inner).map((part) => {
    const [, name, own] = part.match(/^("(?:[^"]|"")*"|\S+) (.*)$/s) ?? [];
    const plain = name.replace(/^"|"$/g, '').replaceAll('""', '"');
    return `${name} := ${jsonValue(`struct_extract(${sql}, ${literal(plain)})`, own, depth)}`;
  });
  return `CASE WHEN ${sql} IS NOT NULL THEN struct_pack(${members.join(', ')}) END`;
}

function jsonNumber(sql: string, type: string): string {
  const double = type === 'FLOAT' ? `${sql}::VARCHAR::DOUBLE` : sql;
  return `CASE WHEN isfinite(${sql}) THEN to_json(${double}) WHEN ${sql} IS NOT NULL THEN to_json(${named(sql)}) END`;
}

/** A number as text, by a name where it is none. */
export function named(sql: string): string {
  return `CASE WHEN isfinite(${sql}) THEN ${sql}::VARCHAR WHEN isnan(${sql}) THEN 'NaN' WHEN ${sql} > 0 THEN 'Infinity' WHEN ${sql} < 0 THEN '-Infinity' END`;
}

/** What stands between the commas that are in no brackets and no quotes. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let [start, open, quoted] = [0, 0, false];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"') quoted = !quoted;
    if (quoted) continue;
    if (c === '(') open++;
    else if (c === ')') open--;
    else if (c === ',' && open === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, text.slice(start)].map((part) => part.trim());
}
