/** A transaction under way: it counts its segments into a Merkle root, and commits with that. */

import { assert, HoldfastError } from "../base/index.ts";
import { type EntryType, entryType } from "./frame.ts";
import { merkleLeaf, merkleRoot } from "./merkle.ts";
import type { WalTransaction } from "./options.ts";

/** Recovery holds an open transaction in memory until it sees its end. */
const transactionLimitBytes = 64 * 2 ** 20;

type Send = (type: EntryType, payload: Uint8Array) => { readonly sequence: number; readonly durable: Promise<void> };

export function openTransaction(context: Uint8Array, send: Send): WalTransaction {
  const leaves = [merkleLeaf(context)];
  let bytes = context.length;
  let state: "open" | "failed" | "ended" = "open";
  const end = async (type: EntryType, payload: Uint8Array): Promise<number> => {
    assert(state !== "ended", "a transaction is not used after its end");
    assert(type === entryType.abort || state === "open", "a transaction that failed can only be aborted");
    state = "ended";
    const { sequence, durable } = send(type, payload);
    await durable;
    return sequence;
  };
  send(entryType.begin, context);
  return {
    append(payload) {
      assert(state === "open", "a transaction is not used after its end, or after it failed");
      try {
        bytes += payload.length;
        if (bytes > transactionLimitBytes) throw tooLarge(bytes);
        send(entryType.data, payload);
        leaves.push(merkleLeaf(payload));
      } catch (error) {
        state = "failed";
        throw error;
      }
    },
    commit: () => end(entryType.commit, merkleRoot(leaves)),
    async abort() {
      await end(entryType.abort, new Uint8Array(0));
    },
  };
}

function tooLarge(bytes: number): HoldfastError {
  const message = `a transaction of ${bytes} bytes is larger than the limit of ${transactionLimitBytes}`;
  return new HoldfastError("WAL_TOO_LARGE", message, { hint: "Keep large things in files and log their hash." });
}
