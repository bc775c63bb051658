/**
 * A scan as users walk it. Entries come in batches; of a batch the items are handed out one by one, each with a promise
 * that is settled already: a generator would take several turns for each.
 *
 * The hold is let go at the end, after an error, and where the walk is broken off.
 */

import type { Entry } from "../entry.ts";
import type { Item } from "../item/item.ts";
import type { Hold } from "./read-scope.ts";

export interface ItemScanParts {
  /** Called with the first item that is asked for: what it reads is the store of that moment. */
  readonly begin: () => { readonly hold: Hold; readonly batches: AsyncGenerator<Entry[], void> };
  readonly itemOf: (entry: Entry) => Item | Promise<Item>;
  /** Throws where the store was closed meanwhile. */
  readonly refuseClosed: () => void;
}

export class ItemScan implements AsyncGenerator<Item, void> {
  readonly #parts: ItemScanParts;
  #begun: ReturnType<ItemScanParts["begin"]> | undefined;
  #batch: readonly Entry[] = [];
  #place = 0;
  #isEnded = false;
  /** Calls that came before an earlier one was answered wait for it. */
  #last: Promise<unknown> | undefined;

  constructor(parts: ItemScanParts) {
    this.#parts = parts;
  }

  next(): Promise<IteratorResult<Item, void>> {
    if (this.#last === undefined && !this.#isEnded && this.#place < this.#batch.length) {
      try {
        const item = this.#taken();
        if (!(item instanceof Promise)) return Promise.resolve({ value: item, done: false });
        return this.#inTurn(async () => ({ value: await item, done: false }));
      } catch (error) {
        return this.throw(error);
      }
    }
    return this.#inTurn(() => this.#nextSlowly());
  }

  async return(): Promise<IteratorResult<Item, void>> {
    await this.#end();
    return { value: undefined, done: true };
  }

  async throw(error: unknown): Promise<IteratorResult<Item, void>> {
    await this.#end();
    throw error;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  #taken(): Item | Promise<Item> {
    this.#parts.refuseClosed();
    return this.#parts.itemOf(this.#batch[this.#place++]!);
  }

  async #nextSlowly(): Promise<IteratorResult<Item, void>> {
    if (this.#isEnded) return { value: undefined, done: true };
    if (this.#place >= this.#batch.length) {
      this.#begun ??= this.#parts.begin();
      const { value, done } = await this.#begun.batches.next();
      this.#batch = value ?? [];
      this.#place = 0;
      if (done === true) {
        await this.#end();
        return { value: undefined, done: true };
      }
    }
    return { value: await this.#taken(), done: false };
  }

  #inTurn(work: () => Promise<IteratorResult<Item, void>>): Promise<IteratorResult<Item, void>> {
    const turn = this.#last === undefined ? work() : this.#last.then(work);
    const settled: Promise<void> = turn.then(
      () => this.#settle(settled),
      async () => {
        await this.#end();
        this.#settle(settled);
      },
    );
    this.#last = settled;
    return turn;
  }

  #settle(turn: Promise<void>): void {
    if (this.#last === turn) this.#last = undefined;
  }

  async #end(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#begun?.hold[Symbol.dispose]();
    await this.#begun?.batches.return();
  }
}
