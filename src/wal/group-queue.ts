/**
 * Group commit: what is appended while a sync is under way is collected, and goes out with the next write and the next
 * sync, one promise for all. Other work on the log's files, such as a rotation, takes its turn in the same queue.
 */

import type { Clock } from "../base/index.ts";
import type { FrameGroup, WalFormat } from "./format.ts";
import { type EntryType, entryType, type FrameContent, noTransaction, payloadLimitBytes } from "./frame.ts";

const groupLimitBytes = payloadLimitBytes / 2;

export interface WaitingGroup {
  readonly frames: FrameGroup;
  readonly durable: PromiseWithResolvers<void>;
  /** Ends and beginnings of transactions, in order. */
  readonly transactions: { readonly type: EntryType; readonly id: Uint8Array }[];
  /** One more than the last sequence number in it. */
  nextSequence: number;
  entries: number;
}

interface Turn {
  readonly work: () => Promise<void>;
  readonly done: PromiseWithResolvers<void>;
}

export class GroupQueue {
  readonly #format: WalFormat;
  readonly #write: (group: WaitingGroup) => Promise<void>;
  #waiting: (WaitingGroup | Turn)[] = [];
  readonly #unused: FrameGroup[] = [];
  #working: Promise<void> | undefined;
  #failure: unknown;
  waitingEntries = 0;
  waitingBytes = 0;

  constructor(format: WalFormat, write: (group: WaitingGroup) => Promise<void>) {
    this.#format = format;
    this.#write = write;
  }

  /** Takes a frame over. The promise resolves once it is durable, and rejects with what failed. */
  add(content: FrameContent, sequences: number, isTransaction: boolean): Promise<void> {
    const group = this.#open();
    const before = group.frames.byteLength;
    group.frames.add(content);
    if (isTransaction) group.transactions.push({ type: content.type, id: content.transactionId });
    return this.#taken(group, before, content.sequence, sequences);
  }

  /** As `add` for one entry that stands alone: the way that most of what is written takes. */
  addEntry(sequence: number, payload: Uint8Array, clock: Clock): Promise<void> {
    const group = this.#open();
    const before = group.frames.byteLength;
    if (!group.frames.extend(sequence, payload)) {
      const timestampMs = clock.nowMs();
      group.frames.add({
        type: entryType.records,
        transactionId: noTransaction,
        sequence,
        payloads: [payload],
        timestampMs,
      });
    }
    return this.#taken(group, before, sequence, 1);
  }

  /** Does `work` after all that waits now, and before all that comes later. */
  async inTurn(work: () => Promise<void>): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ work, done });
    this.#working ??= this.#work();
    await done.promise;
  }

  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  /** Counts what was put into the group since it had so many bytes, and sees that it is written. */
  #taken(group: WaitingGroup, bytesBefore: number, sequence: number, sequences: number): Promise<void> {
    this.waitingBytes += group.frames.byteLength - bytesBefore;
    this.waitingEntries += sequences;
    group.entries += sequences;
    group.nextSequence = sequence + sequences;
    this.#working ??= this.#work();
    return group.durable.promise;
  }

  #open(): WaitingGroup {
    const last = this.#waiting.at(-1);
    if (last !== undefined && "frames" in last && last.frames.byteLength < groupLimitBytes) return last;
    const durable = Promise.withResolvers<void>();
    // Those who wait for it learn of a failure; of parts of a transaction nobody need.
    durable.promise.catch(() => undefined);
    const frames = this.#unused.pop() ?? this.#format.newGroup();
    const group = { frames, durable, transactions: [], nextSequence: 0, entries: 0 };
    this.#waiting.push(group);
    return group;
  }

  async #work(): Promise<void> {
    // One turn, so that all who append in this one share the first group too.
    await Promise.resolve();
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      if ("frames" in next) await this.#writeOne(next);
      else await this.#doTurn(next);
    }
    this.#working = undefined;
  }

  async #writeOne(group: WaitingGroup): Promise<void> {
    this.waitingBytes -= group.frames.byteLength;
    this.waitingEntries -= group.entries;
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await this.#write(group);
      group.durable.resolve();
    } catch (failure) {
      this.#failure ??= failure;
      group.durable.reject(this.#failure);
    }
    group.frames.clear();
    if (this.#unused.length < 2) this.#unused.push(group.frames);
  }

  async #doTurn({ work, done }: Turn): Promise<void> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await work();
      done.resolve();
    } catch (failure) {
      this.#failure ??= failure;
      done.reject(failure);
    }
  }
}
