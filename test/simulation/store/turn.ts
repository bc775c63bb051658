/**
 * Operations that are asked for at once, and their answers, judged when all are there: only then is it known in which
 * order the store made the writes. A read may have seen any of the states between the writes that were answered before
 * it began and those that were asked for before it ended, and all of that one state.
 */

import { isBusy, isForeseen, isTyped, stackOf } from "./allowed.ts";
import { consolidate } from "./consolidation.ts";
import type { Turn, TurnStep } from "./model.ts";
import type { Consolidate, Read, Together, Work, Write } from "./operations.ts";
import { answers, type Judge, verdict } from "./reading.ts";
import { type Session, Violation } from "./session.ts";
import type { ModelChange, State } from "./state.ts";
import type { World } from "./world.ts";
import { ask, isIdle, type Written } from "./writing.ts";

interface Answered {
  readonly read: Read;
  readonly judges: readonly Judge[];
  readonly begunAt: number;
  readonly endedAt: number;
}

type Operation = Together["operations"][number];

export async function playTurn(
  world: World,
  operations: readonly Operation[],
  pauses: readonly number[],
): Promise<void> {
  const { session } = world;
  const turn = new TurnRun(world, session);
  const all = async (): Promise<void> => {
    const tasks: Promise<void>[] = [];
    for (const [place, operation] of operations.entries()) {
      for (let pause = pauses[place] ?? 0; pause > 0; pause--) await new Promise((resolve) => setImmediate(resolve));
      tasks.push(turn.begin(operation, operations.length > 1));
    }
    await Promise.all(tasks);
  };
  const outcome = await session.outcomeOf(all(), operations.map(({ op }) => op).join(" and "));
  if ("error" in outcome) throw outcome.error;
  if (session.disk.hasCrashed) return;
  turn.judge();
}

export async function work(session: Session, operation: Work): Promise<unknown> {
  const { store } = session;
  if (operation.op === "compactContent")
    return await store.compactContent({ minimumGarbage: operation.minimumGarbage });
  return await store[operation.op]();
}

class TurnRun {
  readonly #world: World;
  readonly #session: Session;
  readonly #before: readonly State[];
  readonly #reads: Answered[] = [];
  readonly #writes: Written[] = [];
  #isConsolidated = false;

  constructor(world: World, session: Session) {
    this.#world = world;
    this.#session = session;
    this.#before = world.model.live();
  }

  async begin(operation: Operation, isCrowded: boolean): Promise<void> {
    switch (operation.op) {
      case "flush":
      case "compact":
      case "compactContent":
      case "maintain":
        return await this.#work(operation, isCrowded);
      case "consolidate":
        return await this.#consolidate(operation, isCrowded);
      case "get":
      case "peek":
      case "getMany":
      case "scan":
      case "neighbours":
      case "within":
      case "search":
      case "recall":
        return await this.#read(operation, isCrowded);
      default:
        this.#writes.push(await ask(operation satisfies Write, this.#session, this.#world.model));
    }
  }

  async #read(read: Read, isCrowded: boolean): Promise<void> {
    const { model, settings } = this.#world;
    const begunAt = model.event();
    try {
      const rules = { settings, nowMs: this.#session.clock.nowMs(), isCrowded };
      const judges = await answers(this.#session.collection(read.collection), read, rules);
      this.#reads.push({ read, judges, begunAt, endedAt: model.event() });
    } catch (error) {
      this.#mayFail(error, read.op);
    }
  }

  async #work(operation: Work, isCrowded: boolean): Promise<void> {
    try {
      await work(this.#session, operation);
    } catch (error) {
      if (!this.#mayBeBusy(error, isCrowded)) this.#mayFail(error, operation.op);
    }
  }

  /** Others work, too: what else was asked for, or maintenance by itself. */
  #mayBeBusy(error: unknown, isCrowded: boolean): boolean {
    return isBusy(error) && (isCrowded || this.#session.works.length > 0 || !this.#world.settings.manual);
  }

  async #consolidate(operation: Consolidate, isCrowded: boolean): Promise<void> {
    this.#isConsolidated = true;
    try {
      await consolidate(this.#world, operation, isCrowded);
    } catch (error) {
      if (!this.#mayBeBusy(error, isCrowded)) this.#mayFail(error, operation.op);
    }
  }

  /** With a typed error, once a fault has struck; what happens when the power has gone, nobody sees. */
  #mayFail(error: unknown, what: string): void {
    if (error instanceof Violation) throw error;
    const { disk, hasFailed, isOver } = this.#session;
    if (disk.hasCrashed || isOver) return;
    if (!hasFailed || !isTyped(error)) throw new Violation(`${what} failed: ${stackOf(error)}`);
    this.#world.counts.errors++;
  }

  judge(): void {
    const { model, counts } = this.#world;
    const turn = model.endTurn();
    if (turn.problem !== undefined) throw new Violation(turn.problem);
    for (const written of this.#writes) this.#judgeWrite(written, turn);
    if (turn.steps !== undefined) judgeConditions(turn.steps);
    // What consolidation has changed is compared when it is done.
    if (this.#isConsolidated) return;
    for (const answered of this.#reads) {
      counts.answers++;
      const states = turn.steps === undefined ? [...turn.passing, ...this.#before] : statesOf(turn.steps, answered);
      const problem = verdict(answered.judges, states);
      if (problem !== undefined) throw new Violation(`${printed(answered.read)}: ${problem}`);
    }
  }

  #judgeWrite(written: Written, { steps }: Turn): void {
    const { commit, write, result, error } = written;
    if (error !== undefined && !isForeseen(error)) return this.#mayFail(error, write.op);
    if (result?.durability === "queued" && !this.#session.hasFailed) throw new Violation(`${write.op} was queued`);
    if (result?.durability === "visible" && write.visible !== true)
      throw new Violation(`${write.op} was answered before it was durable`);
    if (steps === undefined || write.op === "update" || this.#isConsolidated) return;
    const isForbidden = ({ state }: TurnStep): boolean => !state.permits(commit.changes, commit.nowMs);
    if (error !== undefined && !steps.some(isForbidden))
      throw new Violation(`${printed(write)} was refused without a reason: ${String(error)}`);
    if (isIdle(written) && !steps.some(({ state }) => commit.changes.every((change) => isNothing(state, change))))
      throw new Violation(`${printed(write)} has the old version ${result?.version}, and something to do`);
  }
}

function judgeConditions(steps: readonly TurnStep[]): void {
  for (const [place, { commit }] of steps.entries()) {
    if (commit === undefined || steps[place - 1]!.state.permits(commit.changes, commit.nowMs)) continue;
    throw new Violation(`version ${commit.version} was written, and its condition does not hold`);
  }
}

function statesOf(steps: readonly TurnStep[], { begunAt, endedAt }: Answered): State[] {
  const from = Math.max(
    0,
    steps.findLastIndex(({ commit }) => commit !== undefined && commit.endedAt < begunAt),
  );
  const later = steps.findIndex(
    ({ commit }, place) => place > from && commit !== undefined && commit.begunAt > endedAt,
  );
  return steps.slice(from, later === -1 ? steps.length : later).map(({ state }) => state);
}

function isNothing(state: State, change: ModelChange): boolean {
  const after = state.copy();
  after.apply([change], { version: 0, nowMs: 0 });
  return after.items().size === state.items().size && after.edges().size === state.edges().size;
}

function printed(operation: Read | Write): string {
  return JSON.stringify(operation);
}
