/** Colour, where a person looks and wants it. */
import { styleText } from 'node:util';

export const isColoured = Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;

export function paint(format: Parameters<typeof styleText>[0], text: string): string {
  return isColoured ? styleText(format, text) : text;
}
