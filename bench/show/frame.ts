/** Tables for the terminal, with one rule below the head. */
import Table from 'cli-table3';
import { isColoured } from './paint.js';

/** The first `left` columns hold text, the rest numbers. */
export function ruled(head: string[], left = 1): Table.Table {
  return new Table({
    head,
    colAligns: head.map((_, column) => (column < left ? 'left' : 'right')),
    style: { compact: true, head: isColoured ? ['bold'] : [], border: isColoured ? ['gray'] : [] },
    chars: NO_FRAME,
  });
}

const NO_FRAME = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '─',
  mid: '─',
  'mid-mid': '─',
  right: '',
  'right-mid': '─',
  middle: ' ',
};
