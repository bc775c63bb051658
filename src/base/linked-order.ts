/**
 * An order of things from which the first is found, and any is taken out or moved to the end, in O(1).
 *
 * A Map keeps an order too, but platforms leave gaps where entries were deleted, and finding the first steps over all
 * of them: with many entries that is slow exactly where one is taken from the front and put back at the end.
 */

import { assert } from "./errors.ts";

/** What can stand in an order, in one at a time. The order alone sets these. */
export interface Linked<Item> {
  before: Item | undefined;
  after: Item | undefined;
}

export class LinkedOrder<Item extends Linked<Item>> implements Iterable<Item> {
  #first: Item | undefined;
  #last: Item | undefined;

  get first(): Item | undefined {
    return this.#first;
  }

  /** Puts what stands in no order at the end. */
  append(item: Item): void {
    assert(item.before === undefined && item.after === undefined && item !== this.#first, "it stands in no order yet");
    item.before = this.#last;
    if (this.#last === undefined) this.#first = item;
    else this.#last.after = item;
    this.#last = item;
  }

  /** Takes out what stands in this order. */
  remove(item: Item): void {
    const { before, after } = item;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    item.before = undefined;
    item.after = undefined;
  }

  moveToEnd(item: Item): void {
    if (item === this.#last) return;
    this.remove(item);
    this.append(item);
  }

  clear(): void {
    for (let item = this.#first; item !== undefined; ) {
      const { after } = item;
      item.before = undefined;
      item.after = undefined;
      item = after;
    }
    this.#first = undefined;
    this.#last = undefined;
  }

  /** From the first on; the one at hand may be taken out meanwhile, no other. */
  *[Symbol.iterator](): Generator<Item, void> {
    for (let item = this.#first; item !== undefined; ) {
      const { after } = item;
      yield item;
      item = after;
    }
  }
}
