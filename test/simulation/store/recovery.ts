/**
 * The end of a process, and the next one. Of the disks that may be left, several are opened and compared with every
 * outcome that the model allows; one of them, perhaps after recoveries that were cut off in turn, is the next one's.
 */

import { type Random, seededRandom } from "../../../src/base/index.ts";
import { SimDisk } from "../../../src/disk/index.ts";
import type { SimDiskOptions } from "../../../src/disk/simulated/sim-disk.ts";
import { isTyped, stackOf } from "./allowed.ts";
import { outcomeLimit } from "./model.ts";
import type { Cut } from "./operations.ts";
import { type Match, matched, type Seen, seeAll, shownSeen } from "./seen.ts";
import { type Outcome, openSession, type Session, Violation } from "./session.ts";
import type { State } from "./state.ts";
import type { World } from "./world.ts";

const firstSurvivors = 10;

interface Found {
  readonly session: Session;
  readonly seen: Seen;
}

/** Ends the process, looks at what may be left, and goes on with one of the disks. */
export async function recover(world: World, cut: Cut): Promise<void> {
  world.counts.crashes++;
  world.endSession();
  const problem = world.model.cutTurn();
  if (problem !== undefined) throw new Violation(problem);
  const { disk } = world;
  // What the dead process still does, it does in vain.
  disk.crashAtStep(disk.steps + 1);
  const random = seededRandom(cut.seed);
  const left = (): SimDisk => leftOf(disk, cut.kill === true, random);
  for (let count = 0; count < cut.survivors; count++) await checkSurvivor(world, left(), random);
  let last = left();
  for (const step of cut.nested) {
    const next = await cutRecovery(world, last, step, random);
    if (next === undefined) break;
    await checkSurvivor(world, next.restarted(), random);
    last = next;
  }
  world.goOnWith(last, cut.faults);
  await begin(world, random);
}

/** Opens the store on the world's disk, takes over what it holds, and goes on with it. */
export async function begin(world: World, random: Random): Promise<void> {
  for (;;) {
    const found = await see(world, world.disk);
    if ("value" in found) {
      const { session, seen } = found.value;
      const match = matching(world, seen, session.clock.nowMs());
      if (match.problem === undefined) {
        const { version } = session.store.statistics();
        if (version < highestOf(match.state)) throw new Violation(`the store says it is at ${version}, and holds more`);
        world.model.settleOn(match.state, version);
        world.latitude.clear();
        world.lastReport = undefined;
        return world.begin(session);
      }
      if (!world.isLiedTo) throw new Violation(match.problem);
      return await startAnew(world);
    }
    // The power went in the middle of it; or it met a fault, said so, and somebody tries again.
    const { disk } = world;
    if (!disk.hasCrashed && !mayRefuse(world, disk, found)) throw refusal(found);
    if (!disk.hasCrashed && disk.faultsStruck === 0) return await startAnew(world);
    world.noteFaults();
    disk.crashAtStep(disk.steps + 1);
    world.disk = leftOf(disk, random() < 0.5, random);
  }
}

/** A store that was being made when the power went is empty, or whole. */
export async function cutFirstOpening(world: World, random: Random): Promise<void> {
  const disk = new SimDisk();
  disk.crashAtStep(world.settings.firstCut);
  await see(world, disk);
  for (let count = 0; disk.hasCrashed && count < firstSurvivors; count++)
    await checkSurvivor(world, leftOf(disk, false, random), random);
}

async function startAnew(world: World): Promise<void> {
  world.startAnew();
  const found = await see(world, world.disk);
  if (!("value" in found)) throw refusal(found);
  world.begin(found.value.session);
}

/** undefined where opening takes fewer steps. */
async function cutRecovery(world: World, disk: SimDisk, step: number, random: Random): Promise<SimDisk | undefined> {
  const probe = disk.restarted();
  probe.crashAtStep(step);
  const found = await see(world, probe);
  if ("value" in found) found.value.session.isOver = true;
  if (!probe.hasCrashed) {
    if (!("value" in found) && !mayRefuse(world, probe, found)) throw refusal(found);
    probe.crashAtStep(probe.steps + 1);
    return undefined;
  }
  world.counts.nested++;
  return leftOf(probe, random() < 0.3, random);
}

/** A disk on which nothing else happens: what is on it must be right, and stay right when it is written to. */
async function checkSurvivor(world: World, disk: SimDisk, random: Random): Promise<void> {
  world.counts.survivors++;
  const found = await see(world, disk);
  if (!("value" in found)) {
    if (mayRefuse(world, disk, found)) return;
    throw refusal(found);
  }
  const { session, seen } = found.value;
  const match = matching(world, seen, session.clock.nowMs());
  if (match.problem !== undefined) {
    if (world.isLiedTo) return;
    throw new Violation(match.problem);
  }
  if (random() < 0.3) await goOn(world, session, match.state, random);
  session.isOver = true;
  disk.crashAtStep(disk.steps + 1);
}

async function goOn(world: World, session: Session, state: State, random: Random): Promise<void> {
  const { settings } = world;
  const [{ name }] = settings.collections as [{ name: string }];
  const id = settings.ids[0]!;
  const nowMs = session.clock.nowMs();
  const work = async (): Promise<void> => {
    const { version } = await session.collection(name).put(id, { content: "afterwards" });
    state.apply([{ op: "put", collection: name, id, content: "afterwards" }], { version, nowMs });
    if (random() < 0.3) await session.store.compact();
    await session.store.close();
  };
  const done = await session.outcomeOf(work(), "going on after a crash");
  if (!("value" in done)) throw new Violation(`a store that was recovered cannot go on: ${reasonOf(done)}`);
  const again = await see(world, session.disk.restarted());
  if (!("value" in again)) throw refusal(again);
  const match = matched(again.value.seen, state, world.latitude, nowMs);
  if (match.problem !== undefined) throw new Violation(`opened again after a crash: ${match.problem}`);
  again.value.session.isOver = true;
}

export async function see(world: World, disk: SimDisk): Promise<Outcome<Found>> {
  const opened = await openSession(world.openStore, world.settings, disk, world.nowMs);
  if (!("value" in opened)) return opened;
  const session = opened.value;
  const looked = await session.outcomeOf(seeAll(session.readers, world.settings.ids), "reading everything");
  if (disk.hasCrashed) return { lost: true };
  if (!("value" in looked)) return looked;
  const { value: seen } = looked;
  if (seen.problem !== undefined && disk.faultsStruck === 0) throw new Violation(seen.problem);
  return { value: { session, seen } };
}

/** The state among those that may be found that was. */
function matching(world: World, seen: Seen, nowMs: number): Match {
  const problems: string[] = [];
  let count = 0;
  for (const outcome of world.model.recoverable()) {
    const match = matched(seen, outcome.state, world.latitude, nowMs);
    if (match.problem === undefined) return match;
    problems.push(match.problem);
    if (++count >= outcomeLimit) break;
  }
  const tail = world.model.tail
    .map(({ fate, version, changes }) => `    ${fate} ${version ?? "?"}: ${changes.map(({ op, id }) => `${op} ${id}`)}`)
    .join("\n");
  const [first] = problems;
  const problem = `none of ${count} states that may be found was: ${first} … ${problems.at(-1)}\n${tail}\n  found\n${shownSeen(seen)}`;
  return { problem };
}

/** One of the disks that the end of a process may leave. */
function leftOf(disk: SimDisk, isKilled: boolean, random: Random, options: SimDiskOptions = {}): SimDisk {
  if (isKilled) return disk.restarted(options);
  const { doubts } = disk.powerCut();
  const often = [0, 1, 0.9, 0.5, 0.1][Math.floor(random() * 5)]!;
  // 0 is what was durable, 1 what came last; further ones are torn.
  const choices = doubts.map(({ options: { length } }) => {
    if (random() < 0.1) return Math.floor(random() * length);
    return random() < often ? 1 : 0;
  });
  return disk.survivor(choices, options);
}

function highestOf(state: State): number {
  let highest = 0;
  for (const { version } of state.items().values()) highest = Math.max(highest, version);
  return highest;
}

function mayRefuse(world: World, disk: SimDisk, outcome: Outcome<unknown>): boolean {
  return "error" in outcome && isTyped(outcome.error) && (disk.faultsStruck > 0 || world.isLiedTo);
}

function refusal(outcome: Outcome<unknown>): Violation {
  return new Violation(`the store cannot be opened and read: ${reasonOf(outcome)}`);
}

function reasonOf(outcome: Outcome<unknown>): string {
  if ("error" in outcome) return stackOf(outcome.error);
  return "lost" in outcome ? "no answer" : "";
}
