/** Work that a clock would only show on a quiet machine, counted. */

/** How many numbers are put in order while it runs. */
export async function numbersSorted(run: () => Promise<void>): Promise<number> {
  const { sort } = Array.prototype;
  let sorted = 0;
  Array.prototype.sort = function (this: unknown[], compare) {
    sorted += this.length;
    return sort.call(this, compare);
  };
  try {
    await run();
  } finally {
    Array.prototype.sort = sort;
  }
  return sorted;
}
