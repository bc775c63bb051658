/**
 * Gives a scan one block after the other. The first is read alone, for most scans are short; then twice as many at a
 * time, up to 256 KiB, and the next run is under way while one is used.
 */

import { untilAborted } from "../../base/index.ts";
import type { Block } from "./block.ts";
import type { BlockRun, BlockSection } from "./block-section.ts";

const runLimitBytes = 256 * 1024;

interface PlannedRun {
  readonly first: number;
  readonly last: number;
  readonly reading: Promise<BlockRun>;
  run: BlockRun | undefined;
}

export class BlockReader {
  readonly #section: BlockSection;
  readonly #step: 1 | -1;
  /** No block beyond this one is read. */
  readonly #end: number;
  readonly #signal: AbortSignal | undefined;
  #current: PlannedRun | undefined;
  #next: PlannedRun | undefined;
  #windowBytes = 0;

  constructor(
    section: BlockSection,
    options: { readonly step: 1 | -1; readonly end: number; readonly signal: AbortSignal | undefined },
  ) {
    this.#section = section;
    this.#step = options.step;
    this.#end = options.end;
    this.#signal = options.signal;
  }

  block(place: number): Block | Promise<Block> {
    const section = this.#section;
    const cached = section.blocks[place];
    if (cached !== undefined) {
      section.cache.hits++;
      return cached;
    }
    const { run } = this.#plannedFor(place);
    return run === undefined ? this.#wait(place) : section.take(run, place);
  }

  close(): void {
    this.#current = this.#next = undefined;
  }

  async #wait(place: number): Promise<Block> {
    const planned = this.#plannedFor(place);
    planned.run = await untilAborted(planned.reading, this.#signal);
    return this.#section.take(planned.run, place);
  }

  #plannedFor(place: number): PlannedRun {
    if (holds(this.#current, place)) return this.#current;
    this.#current = holds(this.#next, place) ? this.#next : this.#plan(place);
    const after = this.#step > 0 ? this.#current.last + 1 : this.#current.first - 1;
    const isOver = this.#step > 0 ? after > this.#end : after < this.#end;
    // Nothing ahead of a first block: it may be all that is wanted.
    this.#next = isOver || this.#windowBytes === 1 ? undefined : this.#plan(after);
    return this.#current;
  }

  #plan(place: number): PlannedRun {
    const { lengths } = this.#section.index;
    let end = place;
    let bytes = lengths[place];
    for (let next = place + this.#step; next !== this.#end + this.#step; next += this.#step) {
      bytes += lengths[next];
      if (bytes > this.#windowBytes) break;
      end = next;
    }
    this.#windowBytes = this.#windowBytes === 0 ? 1 : Math.min(runLimitBytes, Math.max(32_768, this.#windowBytes * 2));
    const [first, last] = [Math.min(place, end), Math.max(place, end)];
    const reading = this.#section.loadRun(first, last);
    // Who waits for it hears of a failure; a run that nobody comes to is nobody's failure.
    reading.catch(() => undefined);
    return { first, last, reading, run: undefined };
  }
}

function holds(planned: PlannedRun | undefined, place: number): planned is PlannedRun {
  return planned !== undefined && planned.first <= place && place <= planned.last;
}
