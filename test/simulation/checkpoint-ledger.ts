/** What the components of one history were promised, and whether what comes back keeps to it. */

import { HoldfastError } from "../../src/base/index.ts";

export interface Given {
  readonly version: number;
  readonly text: string;
  /** Newer versions that were passed over. */
  readonly fellBack: number;
}

export class CheckpointLedger {
  problem: string | undefined;
  /** Acknowledged, or handed to a component by a restore: nothing older may come back. By id. */
  readonly #floors = new Map<string, { readonly version: number; readonly text: string }>();
  /** States that were on their way to the disk. By id and version. */
  readonly #attempts = new Map<string, Set<string>>();
  /** Versions whose file had its final name for an instant: never to be used again. By id and version. */
  readonly #seen = new Set<string>();

  copy(): CheckpointLedger {
    const copy = new CheckpointLedger();
    copy.problem = this.problem;
    for (const [id, floor] of this.#floors) copy.#floors.set(id, floor);
    for (const [key, texts] of this.#attempts) copy.#attempts.set(key, new Set(texts));
    for (const key of this.#seen) copy.#seen.add(key);
    return copy;
  }

  /** Ledgers of one signature judge alike. */
  get signature(): string {
    const floors = [...this.#floors].map(([id, { version }]) => `${id}${version}`);
    return `${floors.sort()} ${[...this.#seen].sort()} ${[...this.#attempts.keys()].sort()}`;
  }

  note(problem: string): void {
    this.problem ??= problem;
  }

  attempt(id: string, version: number, text: string): void {
    const key = `${id} ${version}`;
    const texts = this.#attempts.get(key) ?? new Set();
    this.#attempts.set(key, texts.add(text));
  }

  /** The file got its name. */
  named(id: string, version: number): void {
    const key = `${id} ${version}`;
    if (this.#seen.has(key)) this.note(`version ${version} of ${id} was used twice`);
    this.#seen.add(key);
  }

  acknowledged(id: string, version: number, text: string): void {
    if (this.#attempts.get(`${id} ${version}`)?.has(text) !== true) this.note(`${id} ${version} was never written`);
    if (version <= (this.#floors.get(id)?.version ?? 0))
      this.note(`version ${version} of ${id} came after a newer one`);
    this.#floors.set(id, { version, text });
  }

  /** `mayFallBack`: something was damaged or could not be read, so that an older one will do if that is said. */
  gave(id: string, given: Given, options: { readonly mayFallBack?: boolean; readonly binds?: boolean } = {}): void {
    const { version, text, fellBack } = given;
    const floor = this.#floors.get(id);
    const what = `restored version ${version} of ${id}, "${text.slice(0, 8)}"`;
    if (this.#attempts.get(`${id} ${version}`)?.has(text) !== true) this.note(`${what}, which was never saved`);
    const isOlder = version < (floor?.version ?? 0);
    const isSaid = fellBack > 0 && options.mayFallBack === true;
    if (isOlder && !isSaid) this.note(`${what}, where version ${floor?.version} was acknowledged`);
    if (version === floor?.version && text !== floor.text) this.note(`${what}, where "${floor.text}" was acknowledged`);
    if (fellBack > 0 && options.mayFallBack !== true) this.note(`${what}, after ${fellBack} that are damaged`);
    if (options.binds === true && !isOlder) this.#floors.set(id, { version, text });
  }

  refused(id: string, error: unknown, options: { readonly mayFail?: boolean } = {}): void {
    if (!HoldfastError.is(error)) return this.note(`an untyped error: ${String(error)}`);
    const isNone = error.code === "CHECKPOINT_NONE" && !this.#floors.has(id);
    if (!isNone && options.mayFail !== true) this.note(`${id} could not be restored: ${error.message}`);
  }

  /** A failure of a save, a prune or an opening. */
  failed(error: unknown, options: { readonly mayFail?: boolean } = {}): void {
    if (!HoldfastError.is(error)) this.note(`an untyped error: ${String(error)}`);
    else if (options.mayFail !== true) this.note(`failed on a good disk: ${error.message}`);
  }
}
