/** Many questions to a server at once: each waits for its answer longer than it takes to ask. */
const AT_ONCE = 32;

/** Runs the task for every item, begun in their order. After an error no more are begun. */
export async function eachAtOnce<Item>(
  items: Iterable<Item>,
  task: (item: Item) => Promise<void>,
): Promise<void> {
  const left = items[Symbol.iterator]();
  let failed = false;
  async function takeNext(): Promise<void> {
    for (let next = left.next(); !next.done && !failed; next = left.next()) {
      await task(next.value).catch((error) => {
        failed = true;
        throw error;
      });
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, takeNext));
}
