/** Which column holds the logits. */
import { type Field as ArrowField, type DataType, type Schema, Type } from '@uwdata/flechette';
import { expected } from '../../failure.js';
import { EXTENSION } from './columns.js';
import { childrenOf } from './layouts.js';
import { nameOf } from './names.js';

const LISTS: readonly number[] = [
  Type.List,
  Type.LargeList,
  Type.FixedSizeList,
  Type.ListView,
  Type.LargeListView,
];

export function logitsColumn({ fields }: Schema, asked: string | undefined, name: string): ArrowField {
  const possible = fields.filter(({ type }) => isLogits(type));
  if (asked === undefined && possible.length !== 1) {
    const received =
      possible.length > 0
        ? possible.map((field) => field.name).join(', ')
        : fields.length === 0
          ? 'no columns'
          : `none (${fields
              .slice(0, 20)
              .map((field) => `${field.name}: ${nameOf(field.type)}`)
              .join(', ')})`;
    throw expected('one column of lists of floats, or --column,', name, received);
  }
  const field = asked === undefined ? possible[0] : fields.find((candidate) => candidate.name === asked);
  if (!field) throw expected(`a column ${asked}`, name, fields.map((known) => known.name).join(', '));
  if (!isLogits(field.type)) {
    throw expected('lists of floats', `column ${field.name} of ${name}`, nameOf(field.type));
  }
  const shape = tensorShape(field);
  if (shape && shape.length > 1) {
    throw expected(
      `one row of logits in each list (write lists of ${shape.at(-1)})`,
      `column ${field.name} of ${name}`,
      `${field.metadata.get(EXTENSION)} of shape [${shape.join(', ')}]`,
    );
  }
  return field;
}

function isLogits(type: DataType): boolean {
  return LISTS.includes(type.typeId) && childrenOf(type)[0]?.type.typeId === Type.Float;
}

/** That of a tensor in each row. */
function tensorShape({ metadata }: ArrowField): number[] | undefined {
  if (metadata?.get(EXTENSION) !== 'arrow.fixed_shape_tensor') return undefined;
  try {
    const { shape } = JSON.parse(metadata.get('ARROW:extension:metadata') ?? '');
    return Array.isArray(shape) ? shape : undefined;
  } catch {
    return undefined;
  }
}
