/** Writes of a script: what the model is told, what the store is asked for, and what its answer means. */

import type { Change, ItemInput, WriteResult } from "../../../src/store/item/item.ts";
import { isForeseen } from "./allowed.ts";
import type { Commit, Model } from "./model.ts";
import type { BatchPart, Condition, Write } from "./operations.ts";
import type { Session } from "./session.ts";
import type { ModelChange, State } from "./state.ts";
import { inputOf } from "./values.ts";

export interface Written {
  readonly commit: Commit;
  readonly write: Write;
  result: WriteResult | undefined;
  error: unknown;
}

/** Asks for it; settles when the store has answered and the model knows. */
export async function ask(write: Write, session: Session, model: Model): Promise<Written> {
  const nowMs = session.clock.nowMs();
  const changes = write.op === "update" ? [] : partsOf(write).map((part) => changeOf(part, model.known(), nowMs));
  const commit = model.begin(changes, nowMs);
  const written: Written = { commit, write, result: undefined, error: undefined };
  try {
    const result = await send(write, changes, commit, session);
    if (session.isOver) return written;
    written.result = result;
    if (result === undefined || isIdle(written)) model.end(commit, "refused");
    else if (result.durability === "queued") model.end(commit, "queued");
    else model.end(commit, result.durability, result.version);
  } catch (error) {
    if (session.isOver) return written;
    written.error = error;
    model.end(commit, isForeseen(error) ? "refused" : "doubtful");
  }
  return written;
}

/** Taking away what is not there may be no write at all: then it gets no number of its own. */
export function isIdle({ commit, result }: Written): boolean {
  if (result === undefined || result.durability === "queued" || result.version > commit.floor) return false;
  return commit.changes.every(({ op }) => op === "delete" || op === "unlink");
}

async function send(
  write: Write,
  changes: readonly ModelChange[],
  commit: Commit,
  session: Session,
): Promise<WriteResult | undefined> {
  const options = write.visible === true ? { durability: "visible" as const } : {};
  if (write.op === "write") return await session.store.write(changes as readonly Change[], options);
  const collection = session.collection(write.collection);
  const { id } = write;
  const [change] = changes;
  switch (write.op) {
    case "put":
    case "delete": {
      const ifVersion = (change as { ifVersion?: number }).ifVersion;
      const conditional = ifVersion === undefined ? options : { ...options, ifVersion };
      if (write.op === "delete") return await collection.delete(id, conditional);
      return await collection.put(id, inputOf(write.input), conditional);
    }
    case "link":
      return await collection.link(id, write.edge, options);
    case "unlink":
      return await collection.unlink(id, write.edge, options);
    case "update": {
      const { input, slow } = write;
      const wanted = input === null ? undefined : inputOf(input);
      return await collection.update(
        id,
        (item) => {
          const change = updateOf(write.collection, id, item?.version ?? 0, wanted);
          commit.changes = change === undefined ? [] : [change];
          // What it read may have been gone by its time when it was asked for, and not before.
          commit.nowMs = session.clock.nowMs();
          return slow === true ? later(wanted) : wanted;
        },
        options,
      );
    }
  }
}

function updateOf(
  collection: string,
  id: string,
  ifVersion: number,
  input: ItemInput | undefined,
): ModelChange | undefined {
  return input === undefined ? undefined : { op: "update", collection, id, ifVersion, ...input };
}

async function later<T>(value: T): Promise<T> {
  await new Promise((resolve) => setImmediate(resolve));
  return value;
}

function partsOf(write: Exclude<Write, { op: "update" }>): readonly BatchPart[] {
  return write.op === "write" ? write.parts : [write];
}

function changeOf(part: BatchPart, state: State, nowMs: number): ModelChange {
  const { collection, id } = part;
  if (part.op === "link" || part.op === "unlink") return { op: part.op, collection, id, edge: part.edge };
  const ifVersion = versionOf(part.when, state.get(collection, id, nowMs)?.version ?? 0);
  const conditional = ifVersion === undefined ? {} : { ifVersion };
  if (part.op === "delete") return { op: "delete", collection, id, ...conditional };
  return { op: "put", collection, id, ...inputOf(part.input), ...conditional };
}

function versionOf(when: Condition | undefined, version: number): number | undefined {
  // A version that nobody was told cannot be asked for.
  if (when === undefined || version < 0) return undefined;
  if (when === "right") return version;
  return when === "wrong" ? version + 1 : 0;
}
