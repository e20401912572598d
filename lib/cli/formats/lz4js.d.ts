/** What is used of lz4js, which has no types of its own. */
declare module 'lz4js' {
  /** Returns where in the target the block ends; it may repeat what stands before its start. */
  export function decompressBlock(
    bytes: Uint8Array,
    target: Uint8Array,
    from: number,
    length: number,
    to: number,
  ): number;
}
