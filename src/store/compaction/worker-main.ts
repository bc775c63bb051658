/**
 * The thread that merges, and derives sections for segments that others write: takes tasks as they come, several side
 * by side. It keeps nothing between tasks, so that it can end at any time.
 *
 * A failure is sent back. A broken invariant is not: it ends the thread, and the other side hears of that.
 */

import { parentPort } from "node:worker_threads";
import { AssertionFailure, assert, errorToWire, toHoldfastError } from "../../base/index.ts";
import { NodeDisk } from "../../disk/index.ts";
import type { Entry } from "../entry.ts";
import type { DerivedSection, SectionBuilder, SectionContext } from "./derived-sections.ts";
import { type CompactionJob, runCompaction } from "./job.ts";
import { sectionBuilders } from "./section-builders.ts";
import type { FromWorker, ToWorker } from "./worker-message.ts";

assert(parentPort !== null, "this module is the main one of a worker");
const port = parentPort;
const disk = new NodeDisk();
const running = new Map<number, AbortController>();
const building = new Map<number, Sections>();

function send(message: FromWorker): void {
  port.postMessage(message);
}

function sendFailure(id: number, error: unknown): void {
  if (error instanceof AssertionFailure) throw error;
  send({ kind: "failed", id, error: errorToWire(toHoldfastError(error, "STORE_WORKER")) });
}

async function run(id: number, job: CompactionJob): Promise<void> {
  const controller = new AbortController();
  running.set(id, controller);
  try {
    const { signal } = controller;
    const outcome = await runCompaction(disk, job, {
      signal,
      onProgress: (progress) => send({ kind: "progress", id, progress }),
    });
    send({ kind: "done", id, outcome });
  } catch (error) {
    sendFailure(id, error);
  } finally {
    running.delete(id);
  }
}

/** The builders of one segment; what comes for them is worked off in turn. */
class Sections {
  readonly #id: number;
  readonly #builders: readonly SectionBuilder[];
  readonly #controller = new AbortController();
  #turn: Promise<void> = Promise.resolve();

  constructor(id: number, context: SectionContext) {
    this.#id = id;
    this.#builders = sectionBuilders(context);
  }

  add(entries: readonly Entry[]): void {
    this.#then(async () => {
      for (const entry of entries) {
        for (const builder of this.#builders) {
          const adding = builder.add(entry);
          if (adding instanceof Promise) await adding;
        }
      }
      send({ kind: "taken", id: this.#id });
    });
  }

  finish(): void {
    this.#then(async () => {
      const sections: DerivedSection[] = [];
      for (const builder of this.#builders) sections.push(...(await builder.finish(this.#controller.signal)));
      this.#sendSections(sections);
    });
  }

  abort(): void {
    this.#controller.abort();
    building.delete(this.#id);
  }

  #then(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(async () => {
      if (this.#controller.signal.aborted) return;
      try {
        await work();
      } catch (error) {
        this.abort();
        sendFailure(this.#id, error);
      }
    });
  }

  /** In buffers of their own, which are handed over instead of copied once more. */
  #sendSections(sections: readonly DerivedSection[]): void {
    building.delete(this.#id);
    const own = sections.map(({ type, parts }) => ({ type, parts: parts.map((part) => part.slice()) }));
    const buffers = own.flatMap(({ parts }) => parts.map(({ buffer }) => buffer));
    port.postMessage({ kind: "sections", id: this.#id, sections: own } satisfies FromWorker, buffers);
  }
}

port.on("message", (message: ToWorker) => {
  const { id } = message;
  if (message.kind === "run") void run(id, message.job);
  else if (message.kind === "build") building.set(id, new Sections(id, message));
  else if (message.kind === "entries") building.get(id)?.add(message.entries);
  else if (message.kind === "finish") building.get(id)?.finish();
  else {
    running.get(id)?.abort();
    building.get(id)?.abort();
  }
});
