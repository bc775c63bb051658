/**
 * Writes that came while the store could not write (SPEC R13): at most 10,000, and 256 MiB of them, kept in memory and
 * drained in order. Each was checked and planned before; what it depends on (edges that are there) is looked at when it
 * is applied.
 *
 * They are not journalled: the disk that a journal would be on is the one that fails. Who is told "queued" is told so.
 * A write that turns out to be impossible is given up, and told of; it stops none of those behind it.
 */

import type { Clock } from "../../base/index.ts";
import { HoldfastError } from "../../base/index.ts";
import { type ReplayQueue, replayQueue } from "../../resilience/index.ts";
import type { Planned } from "../engine/change-plan.ts";
import { isStorageFailure, type Waiting } from "./failure.ts";

const limitWrites = 10_000;
const limitBytes = 256 * 2 ** 20;
const batchWrites = 100;

interface QueuedWrite {
  readonly planned: readonly Planned[];
  readonly bytes: number;
}

export interface QueueTarget {
  /** Puts it into the store, for good or so that recovery will. */
  apply(planned: readonly Planned[]): Promise<void>;
  /** It cannot be applied, and is given up. */
  gaveUp(reason: string): void;
}

export class WriteQueue {
  #queue: ReplayQueue<QueuedWrite> | undefined;
  #target: QueueTarget | undefined;
  #next = 0;
  #bytes = 0;

  static async open(clock: Clock): Promise<WriteQueue> {
    const made = new WriteQueue();
    const queue = await replayQueue<QueuedWrite>({
      ...{ name: "store", clock, limit: limitWrites, batch: batchWrites, order: "strict", deadLetterAfter: 1 },
      apply: async ({ value }) => {
        await made.#target?.apply(value.planned);
        made.#bytes -= value.bytes;
      },
      isOutage: (error) =>
        isStorageFailure(error) || (HoldfastError.is(error) && (error.retryable || error.code === "STORE_CLOSED")),
    });
    queue.onDeadLetter(({ sequence, value, reason }) => {
      made.#bytes -= value.bytes;
      void queue.discard(sequence);
      made.#target?.gaveUp(reason);
    });
    made.#queue = queue;
    return made;
  }

  drainInto(target: QueueTarget): void {
    this.#target = target;
  }

  get size(): number {
    return this.#queue?.size ?? 0;
  }

  /** It has its place in the order when this returns. Rejects with STORE_QUEUE_FULL, retryable. */
  async add(planned: readonly Planned[], waiting: Waiting): Promise<void> {
    const bytes = planned.reduce((sum, change) => sum + bytesOf(change), 0);
    if (this.#bytes + bytes > limitBytes) throw this.#full(waiting);
    this.#bytes += bytes;
    try {
      await this.#queue?.enqueue(String(this.#next++), { planned, bytes });
    } catch (cause) {
      this.#bytes -= bytes;
      if (HoldfastError.is(cause) && cause.code === "DEGRADED_QUEUE_FULL") throw this.#full(waiting, cause);
      throw cause;
    }
  }

  /** undefined when all was applied or given up; else what stands in the way. */
  async drain(): Promise<{ readonly error: unknown } | undefined> {
    const report = await this.#queue?.drain({ targetWorks: true });
    return report === undefined || report.left === 0 ? undefined : { error: report.error };
  }

  #full({ level, retryAfterMs }: Waiting, cause?: unknown): HoldfastError {
    const waiting = `${this.size} writes of ${this.#bytes} bytes wait already`;
    return new HoldfastError("STORE_QUEUE_FULL", `the store is ${level}, and ${waiting}`, {
      hint: "Nothing was taken over. Try again when the store is normal.",
      retryable: true,
      cause,
      details: {
        ...{ level, waiting: this.size, limit: limitWrites, bytes: this.#bytes, limitBytes },
        ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(retryAfterMs) }),
      },
    });
  }
}

function bytesOf(change: Planned): number {
  if (change.kind === "check") return 0;
  const { key, value } = change.entry;
  const edges = change.kind === "item" ? (change.edges ?? []) : [];
  return key.length + value.length + edges.reduce((sum, edge) => sum + bytesOf(edge), 0);
}
