/** Plays a script, and says what was wrong first, or nothing. The same script is always played the same way. */

import { seededRandom } from "../../../src/base/index.ts";
import { SimCrash } from "../../../src/disk/index.ts";
import { isBusy, isClosing, isTyped, stackOf } from "./allowed.ts";
import { adoptConsolidation } from "./consolidation.ts";
import { mistake } from "./mistakes.ts";
import { type Cut, countOf, type FaultSpec, type Operation, type Script } from "./operations.ts";
import { answers, scanProblem, verdict } from "./reading.ts";
import { begin, cutFirstOpening, recover } from "./recovery.ts";
import { rot } from "./rot.ts";
import { matched, seeAll } from "./seen.ts";
import { folder, type OpenScan, type OpenStore, Violation } from "./session.ts";
import { compareIds, type itemProblem } from "./state.ts";
import { playTurn, work } from "./turn.ts";
import { type Counts, noCounts, World } from "./world.ts";

export interface RunReport extends Counts {
  /** What was wrong, and in which operation of the script. */
  readonly violation: RunViolation | undefined;
}

export interface RunViolation {
  /** Place of the operation. */
  readonly at: number;
  /** What was looked at: an answer, what a crash left, or what was spoilt. */
  readonly by: "answer" | "crash" | "damage";
  readonly problem: string;
}

/** More commits of unknown fate than this leave too many outcomes: then the process ends. */
const doubtLimit = 3;
const statisticsEvery = 8;
const openLimit = 8;

export async function runScript(openStore: OpenStore, script: Script): Promise<RunReport> {
  const counts = noCounts();
  const runner = new Runner(openStore, script, counts);
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", onUnhandled);
  try {
    await runner.run();
    await new Promise((resolve) => setImmediate(resolve));
    const unheard = unhandled.find((reason) => !isOfPowerCut(reason));
    if (unheard !== undefined) throw new Violation(`a failure that nobody heard: ${stackOf(unheard)}`);
    return { ...counts, violation: undefined };
  } catch (error) {
    const problem = error instanceof Violation ? error.message : stackOf(error);
    return { ...counts, violation: { at: runner.at, by: runner.by, problem } };
  } finally {
    process.off("unhandledRejection", onUnhandled);
  }
}

/** What failed in a process that was dead. */
function isOfPowerCut(reason: unknown): boolean {
  for (let error = reason; error instanceof Error; error = error.cause) if (error instanceof SimCrash) return true;
  return false;
}

class Runner {
  at = 0;
  by: RunViolation["by"] = "answer";
  readonly #script: Script;
  readonly #world: World;
  readonly #counts: Counts;
  #armed: Cut | undefined;

  constructor(openStore: OpenStore, script: Script, counts: Counts) {
    this.#script = script;
    this.#counts = counts;
    this.#world = new World(openStore, script.settings, counts);
  }

  async run(): Promise<void> {
    const world = this.#world;
    const random = seededRandom(this.#script.seed);
    await cutFirstOpening(world, random);
    await begin(world, random);
    for (const [place, operation] of this.#script.operations.entries()) {
      this.at = place;
      await this.#play(operation);
      this.#counts.operations += countOf(operation);
    }
    if (this.#armed !== undefined) await this.#crash(this.#armed);
    await this.#reopen([]);
    await this.#everything();
  }

  async #play(operation: Operation): Promise<void> {
    this.by = operation.op === "rot" ? "damage" : "answer";
    if (operation.op === "cut") {
      if (this.#armed !== undefined) await this.#crash(this.#armed);
      this.#armed = operation;
      this.#arm();
      return;
    }
    await this.#do(operation);
    // What goes on in the background gets its turn.
    if (this.#world.session.works.length > 0) await new Promise((resolve) => setImmediate(resolve));
    const { disk } = this.#world;
    if (disk.hasCrashed) return await this.#crash(this.#armed ?? endOf(this.at));
    if (disk.faultsStruck > 0 && (this.#world.model.doubts > doubtLimit || !this.#world.latitude.isEmpty))
      return await this.#crash(this.#armed ?? endOf(this.at));
    if (this.at % statisticsEvery === 0) this.#statistics();
  }

  #arm(): void {
    const { disk } = this.#world;
    if (this.#armed !== undefined) disk.crashAtStep(disk.steps + 1 + this.#armed.after);
  }

  async #crash(cut: Cut): Promise<void> {
    this.#armed = undefined;
    this.by = "crash";
    await recover(this.#world, cut);
  }

  async #do(operation: Operation): Promise<void> {
    const world = this.#world;
    const { session, model } = world;
    switch (operation.op) {
      case "cut":
        return;
      case "together":
        await playTurn(world, operation.operations, operation.pauses);
        if (operation.operations.some(({ op }) => op === "consolidate")) await this.#adopt();
        return;
      case "consolidate":
        await playTurn(world, [operation], []);
        return await this.#adopt();
      case "start": {
        const done = work(session, operation.work);
        done.catch(() => undefined);
        return void session.works.push({ what: operation.work.op, done });
      }
      case "join":
        return await this.#join();
      case "snapshot": {
        if (session.snapshots.length >= openLimit) return;
        const snapshot = session.store.snapshot();
        if (snapshot.version < model.version)
          throw new Violation(`a snapshot is of ${snapshot.version}, and ${model.version} was written`);
        return void session.snapshots.push({ snapshot, states: model.live() });
      }
      case "readSnapshot":
        return await this.#readSnapshot(operation);
      case "closeSnapshot": {
        const [closed] = session.snapshots.splice(operation.which, 1);
        return closed?.snapshot[Symbol.dispose]();
      }
      case "openScan":
        return await this.#openScan(operation);
      case "pullScan":
        return await this.#pullScan(operation.which, operation.count);
      case "use":
        return session.collection(operation.collection).use(operation.ids);
      case "advance":
        return await session.clock.advance(operation.byMs);
      case "reopen":
        return await this.#reopen(operation.faults);
      case "everything":
        return await this.#everything();
      case "intruder":
        return await this.#intruder(operation.readOnly);
      case "mistake":
        return await mistake(session, operation);
      case "rot":
        return await rot(world, operation);
      default:
        return await playTurn(world, [operation], []);
    }
  }

  /** What it changed is compared with what it said, once all of it is durable. */
  async #adopt(): Promise<void> {
    const { session } = this.#world;
    if (session.disk.hasCrashed || session.hasFailed) return;
    const outcome = await session.outcomeOf(adoptConsolidation(this.#world), "reading what was consolidated");
    if ("error" in outcome) this.#mayFail(outcome.error, "reading what was consolidated");
  }

  async #join(isClosed = false): Promise<void> {
    const { session } = this.#world;
    for (const { what, done } of session.works.splice(0)) {
      const outcome = await session.outcomeOf(done, what);
      const isAllowed = "error" in outcome && (isBusy(outcome.error) || (isClosed && isClosing(outcome.error)));
      if ("error" in outcome && !isAllowed) this.#mayFail(outcome.error, what);
    }
  }

  async #readSnapshot({ which, read }: Extract<Operation, { op: "readSnapshot" }>): Promise<void> {
    const { session, settings } = this.#world;
    const open = session.snapshots[which];
    if (open === undefined) return;
    const rules = { settings, nowMs: session.clock.nowMs() };
    const reader = open.snapshot.collection(read.collection);
    const outcome = await session.outcomeOf(answers(reader, read, rules), "reading a snapshot");
    if ("error" in outcome) return this.#mayFail(outcome.error, "reading a snapshot");
    if (!("value" in outcome)) return;
    this.#counts.answers++;
    const problem = verdict(outcome.value, open.states);
    if (problem !== undefined)
      throw new Violation(`a snapshot of ${open.snapshot.version}, ${JSON.stringify(read)}: ${problem}`);
  }

  async #openScan({ collection, options }: Extract<Operation, { op: "openScan" }>): Promise<void> {
    const { session, model } = this.#world;
    const [state, ...others] = model.live();
    // A scan that stays open is compared with one state.
    if (session.scans.length >= openLimit || state === undefined || others.length > 0) return;
    const openedMs = session.clock.nowMs();
    const wanted = state.scan(collection, options, openedMs);
    const items = session.collection(collection).scan(options);
    // What it will give is settled when it is asked for the first item.
    session.scans.push({ collection, options, items, openedMs, wanted });
    await this.#pullScan(session.scans.length - 1, 1);
  }

  async #pullScan(which: number, count: number): Promise<void> {
    const { session } = this.#world;
    const scan = session.scans[which];
    for (let left = count; scan !== undefined && left > 0; left--) {
      const outcome = await session.outcomeOf(scan.items.next(), "a scan");
      if ("error" in outcome) {
        session.scans.splice(which, 1);
        return this.#mayFail(outcome.error, "a scan");
      }
      if (!("value" in outcome)) return;
      this.#counts.answers++;
      const { value } = outcome.value;
      const problem = nextProblem(this.#world, scan, value ?? undefined);
      if (problem !== undefined) throw new Violation(`a scan that was open for a while: ${problem}`);
      if (value === undefined) return void session.scans.splice(which, 1);
    }
  }

  async #reopen(faults: readonly FaultSpec[]): Promise<void> {
    const world = this.#world;
    const { session } = world;
    for (const { snapshot } of session.snapshots.splice(0)) snapshot[Symbol.dispose]();
    for (const { items } of session.scans.splice(0)) await session.outcomeOf(items.return(), "ending a scan");
    const outcome = await session.outcomeOf(session.store.close(), "closing the store");
    if (session.disk.hasCrashed) return;
    await this.#join(true);
    if ("error" in outcome) this.#mayFail(outcome.error, "closing the store");
    else if (!session.hasFailed) world.model.durableUpTo(Number.POSITIVE_INFINITY);
    world.endSession();
    const { disk } = world;
    disk.crashAtStep(disk.steps + 1);
    world.goOnWith(disk, faults);
    this.#arm();
    await begin(world, seededRandom(this.at));
  }

  async #everything(): Promise<void> {
    const { session, model, settings, latitude } = this.#world;
    const outcome = await session.outcomeOf(seeAll(session.readers, settings.ids), "reading everything");
    if ("error" in outcome) return this.#mayFail(outcome.error, "reading everything");
    if (!("value" in outcome) || session.disk.hasCrashed) return;
    const { value: seen } = outcome;
    this.#counts.answers++;
    let { problem } = seen;
    for (const state of problem === undefined ? model.live() : []) {
      problem = matched(seen, state, latitude, session.clock.nowMs()).problem;
      if (problem === undefined) break;
    }
    if (problem !== undefined) throw new Violation(`everything: ${problem}`);
  }

  async #intruder(readOnly: boolean): Promise<void> {
    const { openStore, session } = this.#world;
    const { disk, clock } = session;
    const intruding = openStore({ folder, disk, clock, background: "slices", readOnly });
    const outcome = await session.outcomeOf(intruding, "opening a store that is open");
    if (disk.hasCrashed) return;
    if ("value" in outcome) throw new Violation("a store that is open was opened once more");
    if ("error" in outcome && isTyped(outcome.error) && outcome.error.code === "STORE_LOCKED") return;
    if ("error" in outcome) this.#mayFail(outcome.error, "opening a store that is open");
  }

  #statistics(): void {
    const { session, model } = this.#world;
    if (session.failures.length > 0 && !session.hasFailed)
      throw new Violation(`the store says: ${session.failures[0]}`);
    const { version, durableVersion, snapshots, lost } = session.store.statistics();
    if (version < model.version) throw new Violation(`the store is at ${version}, and ${model.version} was written`);
    if (durableVersion > version) throw new Violation(`durable up to ${durableVersion}, and written up to ${version}`);
    const [least, most] = [session.snapshots.length, session.snapshots.length + session.scans.length];
    // A scan holds what it reads as a snapshot does, and so does maintenance.
    const isAlone = this.#script.settings.manual && session.works.length === 0;
    if (snapshots < least || (isAlone && snapshots > most))
      throw new Violation(`${snapshots} snapshots are open, not ${least}`);
    if (lost.length > 0 && !session.hasFailed) throw new Violation(`lost ${JSON.stringify(lost[0])}`);
    if (!session.hasFailed) model.durableUpTo(durableVersion);
  }

  #mayFail(error: unknown, what: string): void {
    if (error instanceof Violation) throw error;
    const { disk, hasFailed } = this.#world.session;
    if (disk.hasCrashed) return;
    if (!hasFailed || !isTyped(error)) throw new Violation(`${what} failed: ${stackOf(error)}`);
    this.#counts.errors++;
  }
}

/** An end that the script did not ask for. */
function endOf(at: number): Cut {
  return { op: "cut", after: 0, survivors: 1, seed: at, nested: [], faults: [] };
}

/** What has expired since the scan was opened may come or not. */
function nextProblem(world: World, scan: OpenScan, found: Parameters<typeof itemProblem>[1]): string | undefined {
  const nowMs = world.session.clock.nowMs();
  const sign = scan.options.reverse === true ? -1 : 1;
  for (;;) {
    const [next] = scan.wanted;
    if (next === undefined) return found === undefined ? undefined : `it goes on with ${found.id}`;
    const [id, item] = next;
    if (found?.id === id) {
      scan.wanted = scan.wanted.slice(1);
      return scanProblem([next], [found], scan.options, { settings: world.settings, nowMs });
    }
    const mayBeLeftOut = item.expiryMs !== undefined && item.expiryMs <= nowMs;
    const isBefore = found === undefined || sign * compareIds(id, found.id) < 0;
    if (!mayBeLeftOut || !isBefore) return `it gave ${found?.id ?? "no more"}, and ${id} was next`;
    scan.wanted = scan.wanted.slice(1);
  }
}
