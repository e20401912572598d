/** The records of a zip archive as they are written: members stored as they are, with sizes of 64 bits. ./zip.ts has the layout. */
export const LOCAL = 0x04034b50;
export const ENTRY = 0x02014b50;
export const END = 0x06054b50;
export const END_64 = 0x06064b50;
export const LOCATOR_64 = 0x07064b50;

/** Version 4.5 of the format has sizes of 64 bits. */
const VERSION = 45;
const UTF8_NAME = 0x800;
/** The first day that the format knows, for whoever unpacks it: the same input gives the same bytes. */
const DAY = 0x21;
const LARGE = 0xffffffff;
const MANY = 0xffff;
const SIZES = 1;

export interface Member {
  readonly name: string;
  readonly crc: number;
  readonly size: number;
  /** Where its local header begins. */
  readonly at: number;
}

/** What stands before the bytes of a member: as long for any size and checksum. */
export function localHeader({ name, crc, size }: Omit<Member, 'at'>): Buffer {
  const header = Buffer.alloc(30);
  header.writeUInt32LE(LOCAL, 0);
  header.writeUInt16LE(VERSION, 4);
  header.writeUInt16LE(UTF8_NAME, 6);
  header.writeUInt16LE(DAY, 12);
  header.writeUInt32LE(crc, 14);
  header.writeUInt32LE(LARGE, 18);
  header.writeUInt32LE(LARGE, 22);
  header.writeUInt16LE(Buffer.byteLength(name), 26);
  const extra = sizesOf([size, size]);
  header.writeUInt16LE(extra.length, 28);
  return Buffer.concat([header, Buffer.from(name), extra]);
}

/** What stands behind all members. */
export function directoryOf(members: readonly Member[], start: number): Buffer {
  const entries = members.map(({ name, crc, size, at }) => {
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(ENTRY, 0);
    entry.writeUInt16LE(VERSION, 4);
    entry.writeUInt16LE(VERSION, 6);
    entry.writeUInt16LE(UTF8_NAME, 8);
    entry.writeUInt16LE(DAY, 14);
    entry.writeUInt32LE(crc, 16);
    entry.writeUInt32LE(LARGE, 20);
    entry.writeUInt32LE(LARGE, 24);
    entry.writeUInt16LE(Buffer.byteLength(name), 28);
    const extra = sizesOf([size, size, at]);
    entry.writeUInt16LE(extra.length, 30);
    entry.writeUInt32LE(LARGE, 42);
    return Buffer.concat([entry, Buffer.from(name), extra]);
  });
  const directory = Buffer.concat(entries);
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(END_64, 0);
  end64.writeBigUInt64LE(44n, 4);
  end64.writeUInt16LE(VERSION, 12);
  end64.writeUInt16LE(VERSION, 14);
  const numbers = [members.length, members.length, directory.length, start];
  for (const [i, number] of numbers.entries()) end64.writeBigUInt64LE(BigInt(number), 24 + i * 8);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(LOCATOR_64, 0);
  locator.writeBigUInt64LE(BigInt(start + directory.length), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(END, 0);
  for (const field of [8, 10]) end.writeUInt16LE(MANY, field);
  for (const field of [12, 16]) end.writeUInt32LE(LARGE, field);
  return Buffer.concat([directory, end64, locator, end]);
}

/** The extra field with the sizes for which 32 bits stand as too few. */
function sizesOf(numbers: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + numbers.length * 8);
  extra.writeUInt16LE(SIZES, 0);
  extra.writeUInt16LE(numbers.length * 8, 2);
  for (const [i, number] of numbers.entries()) extra.writeBigUInt64LE(BigInt(number), 4 + i * 8);
  return extra;
}
