/**
 * The sections of a segment that is written on this thread, derived in a worker: what takes long (a vector graph)
 * holds up nobody here. Entries go over in copies, so many at a time; the segment's writer waits where the worker lags
 * behind.
 */

import { assert, errorFromWire, type HoldfastError, untilAborted } from "../../base/index.ts";
import type { Entry } from "../entry.ts";
import type { DerivedSection, SectionBuilder, SectionContext } from "./derived-sections.ts";
import { entryWithOwnBytes } from "./worker-message.ts";
import type { WorkerThread } from "./worker-thread.ts";

export interface WorkerSectionOptions {
  /** Asked for one at the first entry. */
  readonly thread: () => WorkerThread;
  readonly context: Omit<SectionContext, "inputs">;
  /** When the worker is needed no more. */
  readonly onEnd: (thread: WorkerThread) => void;
}

const entriesAtOnce = 256;
/** Messages that are under way. */
const messagesLimit = 8;

/** One that stands for all builders that the worker has. Its failures are those of the builders, or STORE_WORKER. */
export class WorkerSectionBuilder implements SectionBuilder {
  readonly #options: WorkerSectionOptions;
  #thread: WorkerThread | undefined;
  #id = 0;
  #entries: Entry[] = [];
  #underWay = 0;
  #failure: HoldfastError | undefined;
  #sections: readonly DerivedSection[] | undefined;
  /** Who waits for the next message. */
  #wake: (() => void) | undefined;

  constructor(options: WorkerSectionOptions) {
    this.#options = options;
  }

  add(entry: Entry): void | Promise<void> {
    this.#entries.push(entryWithOwnBytes(entry));
    if (this.#entries.length < entriesAtOnce) return;
    this.#sendEntries();
    if (this.#underWay >= messagesLimit) return this.#until(() => this.#underWay < messagesLimit);
  }

  async finish(signal?: AbortSignal): Promise<readonly DerivedSection[]> {
    if (this.#entries.length > 0) this.#sendEntries();
    const thread = this.#thread;
    if (thread === undefined) return [];
    try {
      thread.send({ kind: "finish", id: this.#id });
      await untilAborted(
        this.#until(() => this.#sections !== undefined),
        signal,
      );
      assert(this.#sections !== undefined, "sections are waited for");
      return this.#sections;
    } finally {
      this.abandon();
    }
  }

  abandon(): void {
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#thread = undefined;
    this.#entries = [];
    if (this.#sections === undefined && !thread.isEnded) thread.send({ kind: "abort", id: this.#id });
    thread.end(this.#id);
    this.#options.onEnd(thread);
  }

  #sendEntries(): void {
    if (this.#thread === undefined) this.#begin();
    this.#thread!.send({ kind: "entries", id: this.#id, entries: this.#entries });
    this.#entries = [];
    this.#underWay++;
  }

  #begin(): void {
    const thread = this.#options.thread();
    this.#thread = thread;
    this.#id = thread.begin({
      isBackground: false,
      fail: (error) => this.#fail(error),
      hear: (message) => {
        if (message.kind === "taken") this.#underWay--;
        else if (message.kind === "sections") this.#sections = message.sections;
        else if (message.kind === "failed") return this.#fail(errorFromWire(message.error));
        this.#wake?.();
      },
    });
    thread.send({ kind: "build", id: this.#id, ...this.#options.context });
  }

  #fail(error: HoldfastError): void {
    this.#failure ??= error;
    this.#wake?.();
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    if (this.#failure !== undefined) throw this.#failure;
  }
}
