/**
 * Which disks a power cut may leave behind.
 *
 * Everything in doubt is independent of everything else: each sector, each file's size, each entry of a folder. A
 * choice of one option for each is a survivor; it is written as a list of numbers, 0 for what was durable before and 1
 * for what came last, so that a test can ask for one again.
 */

import { type Doubt, type FileDoubts, SimFileNode, SimFolderNode, type SimNode } from "./sim-node.ts";

export interface SurvivorLimits {
  /** All survivors where there are no more than this; else the extremes, and others by chance. */
  readonly limit: number;
  readonly random: () => number;
}

export class PowerCut {
  /** What is in doubt, in the order of the choices. */
  readonly doubts: Doubt<unknown>[] = [];
  readonly #places = new Map<Doubt<unknown>, number>();
  readonly #files = new Map<SimFileNode, FileDoubts>();
  readonly #folders = new Map<SimFolderNode, ReadonlyMap<string, Doubt<SimNode | undefined>>>();
  readonly #root: SimFolderNode;

  constructor(root: SimFolderNode) {
    this.#root = root;
    this.#visit(root, "");
  }

  /** How many survivors there are. */
  get combinations(): number {
    return this.doubts.reduce((product, { options }) => product * options.length, 1);
  }

  survivor(choices: readonly number[]): SimFolderNode {
    const built = new Map<SimNode, SimNode>();
    const chosen = <T>(doubt: Doubt<T>): T => {
      const place = this.#places.get(doubt);
      return doubt.options[place === undefined ? 0 : (choices[place] ?? 0)] as T;
    };
    const file = (node: SimFileNode): SimFileNode => {
      const doubts = this.#files.get(node);
      if (doubts === undefined) throw new RangeError("a file that no folder names");
      const sectors = new Map([...doubts.sectors].map(([sector, doubt]) => [sector, chosen(doubt)]));
      return node.survivor(chosen(doubts.size), sectors);
    };
    const folder = (node: SimFolderNode): SimFolderNode => {
      const copy = new SimFolderNode();
      for (const [name, doubt] of this.#folders.get(node) ?? []) {
        const found = chosen(doubt);
        if (found === undefined) continue;
        const entry = built.get(found) ?? (found instanceof SimFileNode ? file(found) : folder(found));
        built.set(found, entry);
        copy.setDurable(name, entry);
      }
      return copy;
    };
    return folder(this.#root);
  }

  *choices({ limit, random }: SurvivorLimits): Generator<number[]> {
    if (this.combinations <= limit) yield* this.#all();
    else yield* this.#some(limit, random);
  }

  *#all(): Generator<number[]> {
    const choices = this.doubts.map(() => 0);
    for (;;) {
      yield [...choices];
      let place = 0;
      while (place < choices.length && choices[place] === (this.doubts[place]?.options.length ?? 0) - 1) {
        choices[place] = 0;
        place++;
      }
      if (place === choices.length) return;
      choices[place] = (choices[place] ?? 0) + 1;
    }
  }

  /** All lost, all kept, each one alone in each of its states among kept and among lost ones; then by chance. */
  *#some(limit: number, random: () => number): Generator<number[]> {
    const seen = new Set<string>();
    const isNew = (choices: number[]): boolean => {
      const key = choices.join();
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    };
    for (const choices of this.#extremes()) {
      if (seen.size >= limit) return;
      if (isNew(choices)) yield choices;
    }
    for (let tries = 0; tries < 4 * limit && seen.size < limit; tries++) {
      // Half of them keep most, as disks do.
      const often = random() < 0.5 ? 0.8 : 0.3;
      const choices = this.doubts.map(({ options }) => (random() < often ? 1 : Math.floor(random() * options.length)));
      if (isNew(choices)) yield choices;
    }
  }

  *#extremes(): Generator<number[]> {
    for (const all of [0, 1]) yield this.doubts.map(() => all);
    for (const [place, { options }] of this.doubts.entries()) {
      for (let option = 0; option < options.length; option++) {
        for (const others of [1, 0]) yield this.doubts.map((_, at) => (at === place ? option : others));
      }
    }
  }

  #visit(node: SimNode, name: string): void {
    if (node instanceof SimFileNode) this.#visitFile(node, name);
    else if (!this.#folders.has(node)) {
      const doubts = node.doubts(name);
      this.#folders.set(node, doubts);
      for (const [entry, doubt] of doubts) {
        this.#note(doubt);
        for (const option of doubt.options) if (option !== undefined) this.#visit(option, `${name}/${entry}`);
      }
    }
  }

  #visitFile(node: SimFileNode, name: string): void {
    if (this.#files.has(node)) return;
    const doubts = node.doubts(name);
    this.#files.set(node, doubts);
    this.#note(doubts.size);
    for (const doubt of doubts.sectors.values()) this.#note(doubt);
  }

  #note(doubt: Doubt<unknown>): void {
    if (doubt.options.length < 2) return;
    this.#places.set(doubt, this.doubts.length);
    this.doubts.push(doubt);
  }
}
