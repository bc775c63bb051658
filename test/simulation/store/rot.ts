/**
 * One bit of one file turns, on a copy of the disk: whatever the store says of it then is right, or a typed error.
 * Not in the log, whose end may be torn: it has a simulation of its own.
 */

import { faults } from "../../../src/disk/index.ts";
import type { Item } from "../../../src/store/item/item.ts";
import { isTyped, stackOf } from "./allowed.ts";
import { edgesProblem } from "./reading.ts";
import { type Outcome, openSession, Violation } from "./session.ts";
import { edgeName, itemKey, itemProblem, type State } from "./state.ts";
import type { World } from "./world.ts";

export async function rot(
  world: World,
  where: { readonly file: number; readonly offset: number; readonly bit: number },
): Promise<void> {
  const { disk, settings, counts, nowMs, openStore, session } = world;
  const files = [...disk.files()].filter(({ path, bytes }) => !/\/log\//.test(path) && bytes.length > 0);
  const file = files[where.file % files.length];
  if (file === undefined || disk.faultsStruck > 0) return;
  counts.rotten++;
  const offset = Math.floor(where.offset * file.bytes.length);
  const path = new RegExp(`^${file.path.replaceAll(/[.\\]/g, "\\$&")}$`);
  const rotten = disk.restarted({ faults: [faults.bitRot({ path, offset, bit: where.bit })] });
  const about = `bit ${where.bit} of byte ${offset} of ${file.path} has turned`;
  const opened = await openSession(openStore, settings, rotten, Math.max(nowMs, session.clock.nowMs()));
  if (!("value" in opened)) return typed(opened, about);
  const rotting = opened.value;
  const ids = [...new Set([...settings.ids, ...idsOf(world)])];
  const items = new Map<string, Item | undefined>();
  const edges = new Map<string, ReadonlyMap<string, number>>();
  for (const reader of rotting.readers) {
    for (const id of ids) {
      const got = await rotting.outcomeOf(reader.get(id), about);
      if ("value" in got) items.set(itemKey(reader.name, id), got.value);
      else typed(got, about);
      const linked = await rotting.outcomeOf((async () => reader.neighbours(id))(), about);
      if ("value" in linked)
        edges.set(
          itemKey(reader.name, id),
          new Map(linked.value.map((one) => [edgeName(reader.name, one), one.weight])),
        );
      else typed(linked, about);
    }
  }
  rotting.isOver = true;
  rotten.crashAtStep(rotten.steps + 1);
  let problem: string | undefined;
  for (const { state } of world.model.recoverable()) {
    problem = problemIn(state, items, edges, rotting.clock.nowMs());
    if (problem === undefined) return;
  }
  throw new Violation(`${about}: ${problem}`);
}

function problemIn(
  state: State,
  items: ReadonlyMap<string, Item | undefined>,
  edges: ReadonlyMap<string, ReadonlyMap<string, number>>,
  nowMs: number,
): string | undefined {
  for (const [key, item] of items) {
    const [collection, id] = key.split("\0") as [string, string];
    const problem = itemProblem(state.get(collection, id, nowMs), item);
    if (problem !== undefined) return `${id}: ${problem}`;
  }
  for (const [key, found] of edges) {
    const [collection, id] = key.split("\0") as [string, string];
    const problem = edgesProblem(state, state.neighbours(collection, id, "out"), found, nowMs);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function idsOf(world: World): string[] {
  return [...world.model.known().items().keys()].map((key) => key.split("\0")[1]!);
}

function typed(outcome: Outcome<unknown>, about: string): void {
  if ("error" in outcome && !isTyped(outcome.error)) throw new Violation(`${about}: ${stackOf(outcome.error)}`);
}
