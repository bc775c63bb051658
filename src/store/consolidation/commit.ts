/**
 * Writes what a pass proposes, in batches.
 *
 * A batch that the store refuses because something in it was changed meanwhile is written once more proposal by
 * proposal; those that are refused then are left alone, and named. Whatever else goes wrong ends the commit: what was
 * written before it stays, and each proposal of it is right by itself.
 */

import { HoldfastError } from "../../base/index.ts";
import type { Change } from "../item/item.ts";
import type { ConsolidationConflict } from "./report.ts";
import type { ConsolidationTarget, Proposal } from "./target.ts";

export interface CommitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Changes in one batch; a proposal that has more is a batch by itself. Default 256. */
  readonly batchChanges?: number;
  /** Told of every proposal that was written. */
  readonly onWritten: (proposal: Proposal) => void;
  readonly onConflict: (conflict: ConsolidationConflict) => void;
}

/** Throws STORE_CONSOLIDATE_DEGRADED, retryable, once a write is only queued; and what the store throws. */
export async function commit(
  proposals: AsyncIterable<Proposal>,
  target: Pick<ConsolidationTarget, "write">,
  options: CommitOptions,
): Promise<void> {
  const { batchChanges = 256 } = options;
  let batch: Proposal[] = [];
  let changes = 0;
  const keys = new Set<string>();
  const flush = async (): Promise<void> => {
    const full = batch;
    batch = [];
    changes = 0;
    keys.clear();
    await writeAll(full, target, options);
  };
  for await (const proposal of proposals) {
    const touched = proposal.changes.flatMap(keyOf);
    // Two removals may share an edge. A key is written once in a batch; and its condition, if any, speaks of before.
    const isShared = touched.some((key) => keys.has(key));
    if (isShared || (batch.length > 0 && changes + proposal.changes.length > batchChanges)) await flush();
    batch.push(proposal);
    changes += proposal.changes.length;
    for (const key of touched) keys.add(key);
  }
  await flush();
}

async function writeAll(
  batch: readonly Proposal[],
  target: Pick<ConsolidationTarget, "write">,
  options: CommitOptions,
): Promise<void> {
  const wanted = batch.filter((proposal) => !isLeft(proposal, options));
  if (wanted.length === 0) return;
  try {
    await write(wanted, target, options);
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code !== "STORE_CONFLICT") throw error;
    if (wanted.length > 1) {
      for (const proposal of wanted) await writeAll([proposal], target, options);
      return;
    }
    const { pass, collection, id } = wanted[0]!;
    options.onConflict({ pass, collection, id, reason: "changed" });
  }
}

function isLeft({ pass, collection, id, isUsed }: Proposal, options: CommitOptions): boolean {
  if (isUsed?.() !== true) return false;
  options.onConflict({ pass, collection, id, reason: "used" });
  return true;
}

async function write(
  batch: readonly Proposal[],
  target: Pick<ConsolidationTarget, "write">,
  options: CommitOptions,
): Promise<void> {
  const { signal } = options;
  signal?.throwIfAborted();
  const changes = batch.flatMap((proposal) => proposal.changes);
  const { isQueued } = await target.write(changes, { signal });
  for (const proposal of batch) options.onWritten(proposal);
  if (!isQueued) return;
  throw new HoldfastError("STORE_CONSOLIDATE_DEGRADED", "the store writes nothing to disk: consolidation has ended", {
    hint: "what was proposed last waits in the queue; consolidate again when the store has recovered",
    retryable: true,
  });
}

/** What the change writes; nothing where it only checks. */
export function keyOf(change: Change): string[] {
  const { op, collection, id } = change;
  if (op === "check") return [];
  if (op === "put" || op === "delete") return [`i${collection}\0${id}`];
  return [`e${collection}\0${id}\0${change.edge.type}\0${change.edge.collection ?? collection}\0${change.edge.target}`];
}
