/**
 * Something of the store is spoilt, on a copy of the disk: whatever it says then is right, or a typed error. Of the
 * log, whose end may be torn, all or nothing: it has a simulation of its own.
 */

import { faults, type SimDisk } from "../../../src/disk/index.ts";
import { sectorBytes } from "../../../src/disk/simulated/sim-node.ts";
import type { Item } from "../../../src/store/item/item.ts";
import { isTyped, stackOf } from "./allowed.ts";
import type { Rot, ScriptSettings } from "./operations.ts";
import { answers, edgesProblem, type Judge, verdict } from "./reading.ts";
import { folder, type Outcome, openSession, type Session, Violation } from "./session.ts";
import { edgeName, itemKey, itemProblem, type State } from "./state.ts";
import type { World } from "./world.ts";

export async function rot(world: World, where: Rot): Promise<void> {
  const { disk, settings, counts, nowMs, openStore, session } = world;
  if (disk.faultsStruck > 0) return;
  const rotted = await rottenCopy(disk, where);
  if (rotted === undefined) return;
  const { rotten, about } = rotted;
  counts.rotten++;
  const opened = await openSession(openStore, settings, rotten, Math.max(nowMs, session.clock.nowMs()));
  if (!("value" in opened)) return typed(opened, about);
  const rotting = opened.value;
  const { version } = rotting.store.statistics();
  if (version < world.model.durableVersion) throw new Violation(`${about}: the store says that it is at ${version}`);
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
  const judges = await searched(rotting, settings, about);
  rotting.isOver = true;
  rotten.crashAtStep(rotten.steps + 1);
  let problem: string | undefined;
  for (const { state } of world.model.recoverable()) {
    problem = problemIn(state, items, edges, rotting.clock.nowMs()) ?? verdict(judges, [state]);
    if (problem === undefined) return;
  }
  throw new Violation(`${about}: ${problem}`);
}

async function searched(rotting: Session, settings: ScriptSettings, about: string): Promise<Judge[]> {
  const judges: Judge[] = [];
  const rules = { settings, nowMs: rotting.clock.nowMs() };
  for (const { name, metric } of settings.collections) {
    if (metric === undefined) continue;
    const read = { op: "search", collection: name, tag: 1, k: 100 } as const;
    const found = await rotting.outcomeOf(answers(rotting.collection(name), read, rules), about);
    if ("value" in found) judges.push(...found.value);
    else typed(found, about);
  }
  return judges;
}

/** undefined where there is nothing to spoil. */
async function rottenCopy(
  disk: SimDisk,
  { what, file: number, offset: share, bit }: Rot,
): Promise<{ readonly rotten: SimDisk; readonly about: string } | undefined> {
  const files = [...disk.files()].filter(({ path, bytes }) => isOfLog(path) === (what === "log") && bytes.length > 0);
  const file = files[number % files.length];
  if (file === undefined) return undefined;
  const { path, bytes } = file;
  const offset = Math.floor(share * bytes.length);
  switch (what) {
    case "bit": {
      const wanted = new RegExp(`^${path.replaceAll(/[.\\]/g, "\\$&")}$`);
      const rotten = disk.restarted({ faults: [faults.bitRot({ path: wanted, offset, bit })] });
      return { rotten, about: `bit ${bit} of byte ${offset} of ${path} has turned` };
    }
    case "file": {
      const rotten = disk.restarted();
      await rotten.remove(path);
      return { rotten, about: `${path} is gone` };
    }
    case "end": {
      const rotten = disk.restarted();
      const lostBytes = Math.min(bytes.length, sectorBytes * (1 + (offset % 6)));
      await rotten.writeFile(path, bytes.subarray(0, bytes.length - lostBytes));
      return { rotten, about: `the last ${lostBytes} bytes of ${path} are gone` };
    }
    case "log": {
      const rotten = disk.restarted();
      for (const one of files) await rotten.remove(one.path);
      return { rotten, about: "the log is gone" };
    }
  }
}

function isOfLog(path: string): boolean {
  return path.startsWith(`${folder}/log/`);
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
    const problem = edgesProblem(state.neighbours(collection, id, "out"), found);
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
