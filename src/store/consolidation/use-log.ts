/**
 * What was used, and in which order: what NREM learns from, and what PRUNE spares.
 *
 * A ring of the last uses. One use is a place in three typed arrays (13 bytes), and each item that is in the ring is
 * named once, so that noting a use costs two look-ups and makes no garbage. Uses live in memory only: a crash loses
 * them, and so does closing the store. What was used before is strengthened a little less; nothing else is lost.
 *
 * κ may be learned before the edges are, on the way through a merge: such uses are marked, and count for κ no more.
 */

import { assert } from "../../base/index.ts";

export interface UsedItem {
  readonly collection: string;
  readonly id: string;
  /** Of which κ has not learned yet. */
  readonly uses: number;
}

export class UseLog {
  readonly #limit: number;
  readonly #names: ItemNames = new ItemNames();
  /** Which item, and when. Grown by doubling up to the limit. */
  #slots = new Uint32Array(firstPlaces);
  #timesMs = new Float64Array(firstPlaces);
  /** 1 where κ has learned of it. */
  #isLearned = new Uint8Array(firstPlaces);
  /** Uses ever noted, and how many of these are gone: use n is in place n % length. */
  #noted = 0;
  #gone = 0;

  /** Keeps the last `limit` uses; older ones are forgotten. */
  constructor(limit = 100_000) {
    assert(Number.isInteger(limit) && limit > 0, "a log of uses holds at least one");
    this.#limit = limit;
  }

  /** How many uses are held. */
  get size(): number {
    return this.#noted - this.#gone;
  }

  /** How many items they are of. */
  get items(): number {
    return this.#names.size;
  }

  /** `timeMs` is a reading that never goes back. */
  note(collection: string, id: string, timeMs: number): void {
    if (this.size === this.#limit) this.#forgetOldest();
    else if (this.size === this.#slots.length) this.#grow();
    const place = this.#noted++ % this.#slots.length;
    this.#slots[place] = this.#names.hold(collection, id);
    this.#timesMs[place] = timeMs;
    this.#isLearned[place] = 0;
  }

  isUsed(collection: string, id: string): boolean {
    return this.#names.has(collection, id);
  }

  /** A copy of all that is held; it goes on being held until `forget` is told. */
  taken(): Uses {
    const { size } = this;
    const indexOfSlot = new Map<number, number>();
    const items: { collection: string; id: string; uses: number }[] = [];
    const indexes = new Uint32Array(size);
    const timesMs = new Float64Array(size);
    const isLearned = new Uint8Array(size);
    for (let use = 0; use < size; use++) {
      const place = (this.#gone + use) % this.#slots.length;
      const slot = this.#slots[place]!;
      let index = indexOfSlot.get(slot);
      if (index === undefined) {
        index = items.length;
        indexOfSlot.set(slot, index);
        items.push({ ...this.#names.nameOf(slot), uses: 0 });
      }
      isLearned[use] = this.#isLearned[place]!;
      if (isLearned[use] === 0) items[index]!.uses++;
      indexes[use] = index;
      timesMs[use] = this.#timesMs[place]!;
    }
    return new Uses({ items, indexes, timesMs, isLearned, until: this.#noted });
  }

  /** κ of these items has learned of all uses that were taken. */
  kappaLearned(uses: Uses, items: readonly UsedItem[]): void {
    const slots = new Set(items.map(({ collection, id }) => this.#names.slotOf(collection, id)));
    for (let use = this.#gone; use < uses.until; use++) {
      const place = use % this.#slots.length;
      if (slots.has(this.#slots[place]!)) this.#isLearned[place] = 1;
    }
  }

  /** What was taken has been learned, or that of these collections; what was noted since then stays. */
  forget(uses: Uses, collections?: readonly string[]): void {
    if (collections === undefined) {
      while (this.#gone < uses.until) this.#forgetOldest();
      return;
    }
    const all = this.taken();
    const learned = Math.max(0, uses.until - this.#gone);
    while (this.size > 0) this.#forgetOldest();
    for (const [use, index] of all.indexes.entries()) {
      const { collection, id } = all.items[index]!;
      if (use < learned && collections.includes(collection)) continue;
      this.note(collection, id, all.timesMs[use]!);
      this.#isLearned[(this.#noted - 1) % this.#slots.length] = all.isLearned[use]!;
    }
  }

  #forgetOldest(): void {
    this.#names.release(this.#slots[this.#gone++ % this.#slots.length]!);
  }

  /** Only ever called when full, so that the oldest stands wherever the next would. */
  #grow(): void {
    const length = Math.min(this.#limit, this.#slots.length * 2);
    const slots = new Uint32Array(length);
    const timesMs = new Float64Array(length);
    const isLearned = new Uint8Array(length);
    for (let use = this.#gone; use < this.#noted; use++) {
      const place = use % this.#slots.length;
      slots[use % length] = this.#slots[place]!;
      timesMs[use % length] = this.#timesMs[place]!;
      isLearned[use % length] = this.#isLearned[place]!;
    }
    this.#slots = slots;
    this.#timesMs = timesMs;
    this.#isLearned = isLearned;
  }
}

/** Uses as they were at one moment, the oldest first. */
export class Uses {
  readonly items: readonly UsedItem[];
  /** Of each use the item's place in `items`. */
  readonly indexes: Uint32Array;
  readonly timesMs: Float64Array;
  /** 1 where κ had learned of it. */
  readonly isLearned: Uint8Array;
  /** How many had ever been noted then. */
  readonly until: number;
  #ids: Map<string, Set<string>> | undefined;

  constructor(parts: Pick<Uses, "items" | "indexes" | "timesMs" | "isLearned" | "until">) {
    this.items = parts.items;
    this.indexes = parts.indexes;
    this.timesMs = parts.timesMs;
    this.isLearned = parts.isLearned;
    this.until = parts.until;
  }

  has(collection: string, id: string): boolean {
    if (this.#ids === undefined) {
      this.#ids = new Map();
      for (const item of this.items) {
        const ids = this.#ids.get(item.collection);
        if (ids === undefined) this.#ids.set(item.collection, new Set([item.id]));
        else ids.add(item.id);
      }
    }
    return this.#ids.get(collection)?.has(id) ?? false;
  }
}

/** Numbers for names that are held at least once; a number is given again when its name is held no more. */
class ItemNames {
  readonly #slotOf = new Map<string, Map<string, number>>();
  readonly #names: ({ readonly collection: string; readonly id: string } | undefined)[] = [];
  readonly #held: number[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#names.length - this.#free.length;
  }

  has(collection: string, id: string): boolean {
    return this.#slotOf.get(collection)?.has(id) ?? false;
  }

  /** undefined where the name is held no more. */
  slotOf(collection: string, id: string): number | undefined {
    return this.#slotOf.get(collection)?.get(id);
  }

  nameOf(slot: number): { readonly collection: string; readonly id: string } {
    const name = this.#names[slot];
    assert(name !== undefined, "a use is of an item that has a name");
    return name;
  }

  hold(collection: string, id: string): number {
    let slots = this.#slotOf.get(collection);
    if (slots === undefined) {
      slots = new Map();
      this.#slotOf.set(collection, slots);
    }
    const known = slots.get(id);
    if (known !== undefined) {
      this.#held[known]!++;
      return known;
    }
    const slot = this.#free.pop() ?? this.#names.length;
    this.#names[slot] = { collection, id };
    this.#held[slot] = 1;
    slots.set(id, slot);
    return slot;
  }

  release(slot: number): void {
    if (--this.#held[slot]! > 0) return;
    const { collection, id } = this.nameOf(slot);
    const slots = this.#slotOf.get(collection)!;
    slots.delete(id);
    if (slots.size === 0) this.#slotOf.delete(collection);
    this.#names[slot] = undefined;
    this.#free.push(slot);
  }
}

const firstPlaces = 1_024;
