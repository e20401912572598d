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
export function localHeader(member: Omit<Member, 'at'>): Buffer {
  const signature = Buffer.alloc(4);
  signature.writeUInt32LE(LOCAL, 0);
  const { name, size } = member;
  const extra = sizesOf([size, size]);
  return Buffer.concat([signature, describe(member, extra), Buffer.from(name), extra]);
}

/** What stands behind all members. */
export function directoryOf(members: readonly Member[], start: number): Buffer {
  const entries = members.map((member) => {
    const { name, size, at } = member;
    const begin = Buffer.alloc(6);
    begin.writeUInt32LE(ENTRY, 0);
    begin.writeUInt16LE(VERSION, 4);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(LARGE, 10);
    const extra = sizesOf([size, size, at]);
    return Buffer.concat([begin, describe(member, extra), place, Buffer.from(name), extra]);
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

/** What both records say of a member. */
function describe({ name, crc }: Omit<Member, 'at'>, extra: Buffer): Buffer {
  const facts = Buffer.alloc(26);
  facts.writeUInt16LE(VERSION, 0);
  facts.writeUInt16LE(UTF8_NAME, 2);
  facts.writeUInt16LE(DAY, 8);
  facts.writeUInt32LE(crc, 10);
  for (const field of [14, 18]) facts.writeUInt32LE(LARGE, field);
  facts.writeUInt16LE(Buffer.byteLength(name), 22);
  facts.writeUInt16LE(extra.length, 24);
  return facts;
}

/** The extra field with the sizes for which 32 bits stand as too few. */
function sizesOf(numbers: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + numbers.length * 8);
  extra.writeUInt16LE(SIZES, 0);
  extra.writeUInt16LE(numbers.length * 8, 2);
  for (const [i, number] of numbers.entries()) extra.writeBigUInt64LE(BigInt(number), 4 + i * 8);
  return extra;
}
