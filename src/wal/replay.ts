/**
 * From frames to committed entries, in the order of their commits.
 *
 * A transaction counts when its COMMIT is there and the Merkle root in it covers the context and every segment that was
 * read; anything less is rolled back. Memory is bounded by the transactions that are open at once.
 */

import { bytesEqual, hexOf } from "../base/index.ts";
import { corruptError } from "./damage.ts";
import { decodeFileFacts } from "./file-frame.ts";
import { entryType, type Frame } from "./frame.ts";
import { merkleLeaf, merkleRoot } from "./merkle.ts";

/** One committed entry. */
export interface WalEntry {
  readonly sequence: number;
  readonly timestampMs: number;
  readonly payload: Uint8Array;
  /** The execution context of the transaction, undefined for an entry that was appended alone or in a group. */
  readonly context: Uint8Array | undefined;
}

interface OpenTransaction {
  readonly context: Uint8Array;
  readonly leaves: Uint8Array[];
  readonly entries: WalEntry[];
}

export class TransactionReplay {
  readonly #from: number;
  readonly #open = new Map<string, OpenTransaction>();
  #rolledBack = 0;
  /** Where a writer that came after a crash begins: what is open there can never be committed. */
  #crash: { readonly fileNumber: number; readonly offset: number } | undefined;

  /** Entries below `from` are not wanted; of transactions that ended before it, nothing needs to be there. */
  constructor(from = 0) {
    this.#from = from;
  }

  /** Transactions that were begun and not committed, those not counted that their owner aborted. */
  get rolledBack(): number {
    return this.#rolledBack + this.#open.size;
  }

  /**
   * The entries that this frame commits. `onBroken` is called with what is wrong with its transaction, which is then
   * rolled back; without it WAL_CORRUPT is thrown.
   */
  accept(frame: Frame, path: string, onBroken?: (reason: string) => void): readonly WalEntry[] {
    const broken = (reason: string): readonly WalEntry[] => {
      if (frame.sequence < this.#from) return [];
      if (onBroken === undefined) throw corruptError(path, frame.offset, reason);
      onBroken(reason);
      return [];
    };
    this.#rollBackAt(frame);
    const { timestampMs } = frame;
    const [payload = noBytes] = frame.payloads;
    const id = frame.type === entryType.records ? "" : hexOf(frame.transactionId);
    switch (frame.type) {
      case entryType.records:
        return this.#wanted(
          frame.payloads.map((one, place) => {
            return { sequence: frame.sequence + place, timestampMs, payload: one, context: undefined };
          }),
        );
      case entryType.begin:
        this.#open.set(id, { context: payload, leaves: [merkleLeaf(payload)], entries: [] });
        return [];
      case entryType.data: {
        const transaction = this.#open.get(id);
        if (transaction === undefined) return broken("it belongs to a transaction that was never begun");
        const { context, leaves, entries } = transaction;
        leaves.push(merkleLeaf(payload));
        entries.push({ sequence: frame.sequence, timestampMs, payload, context });
        return [];
      }
      case entryType.commit: {
        const transaction = this.#open.get(id);
        if (transaction === undefined) return broken("it commits a transaction that was never begun");
        this.#open.delete(id);
        if (bytesEqual(merkleRoot(transaction.leaves), payload)) return this.#wanted(transaction.entries);
        this.#rolledBack++;
        return broken("the Merkle root does not cover what was read of the transaction");
      }
      case entryType.abort:
        this.#open.delete(id);
        return [];
      case entryType.file: {
        const facts = decodeFileFacts(payload);
        if (facts?.rollsBack === 1) this.#crash = { fileNumber: frame.fileNumber, offset: facts.bornBytes };
        return [];
      }
      case entryType.seal:
        this.#forget();
        return [];
      default:
        return broken(`entry type ${frame.type} is unknown`);
    }
  }

  #wanted(entries: readonly WalEntry[]): readonly WalEntry[] {
    const first = entries[0];
    return first === undefined || first.sequence >= this.#from
      ? entries
      : entries.filter(({ sequence }) => sequence >= this.#from);
  }

  #rollBackAt(frame: Frame): void {
    if (this.#crash === undefined) return;
    if (frame.fileNumber === this.#crash.fileNumber && frame.offset < this.#crash.offset) return;
    this.#crash = undefined;
    this.#forget();
  }

  #forget(): void {
    this.#rolledBack += this.#open.size;
    this.#open.clear();
  }
}

const noBytes = new Uint8Array(0);
