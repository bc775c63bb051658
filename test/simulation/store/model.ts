/**
 * What a store was asked to keep, and what it may therefore hold.
 *
 * Commits stand in the order of their versions, which the store gives out. One that was acknowledged as durable must be
 * there after every crash; one that was seen but not acknowledged may be missing, and then so is all after it; of one
 * that was not heard of again (the power went, or the store failed) nobody knows whether and where between the others
 * of its turn it was made. Nothing else may be there, and of no commit a part.
 */

import { type CommitFacts, type ModelChange, State } from "./state.ts";

export type CommitFate =
  /** Asked for, and not answered yet. */
  | "pending"
  /** Acknowledged as durable. */
  | "durable"
  /** Made, and perhaps not durable. */
  | "visible"
  /** Answered by an error that leaves open whether it was made. */
  | "doubtful"
  /** Waits until the store is well again; may be made at any time from then on. */
  | "queued"
  /** Answered by an error that says it was not made. */
  | "refused";

export interface Commit {
  /** From 1, in the order of asking. */
  readonly number: number;
  /** Those of one turn were asked for at once; a later turn begins when all before are answered. */
  readonly turn: number;
  changes: readonly ModelChange[];
  nowMs: number;
  /** The highest version that was known when it was asked for. */
  readonly floor: number;
  fate: CommitFate;
  version: number | undefined;
  /** When it was asked for and answered, by the count of events: what was answered before another began is older. */
  readonly begunAt: number;
  endedAt: number;
}

/** One way that things may have gone. */
export interface Outcome {
  readonly state: State;
  readonly commits: readonly Commit[];
}

export interface TurnStep {
  readonly state: State;
  /** What made it of the one before; undefined for the first. */
  readonly commit: Commit | undefined;
}

export interface Turn {
  /** What is wrong with the versions. */
  readonly problem: string | undefined;
  /** The states that its commits made one after the other; undefined where not all are known. */
  readonly steps: readonly TurnStep[] | undefined;
  /** Where not all are known: what a reader may have seen since it began. */
  readonly passing: readonly State[];
}

/** No more outcomes than these are looked at; a runner keeps doubts few enough. */
export const outcomeLimit = 20_000;

export class Model {
  /** Everything in it survives. */
  #base: State;
  #baseVersion = 0;
  /** In order: by turn, and within a turn by version, those of unknown version last. */
  #tail: Commit[] = [];
  #turn = 0;
  #commits = 0;
  #events = 0;
  #live: readonly State[] | undefined;
  #known: State | undefined;

  constructor(base = new State()) {
    this.#base = base;
  }

  get turn(): number {
    return this.#turn;
  }

  /** The highest version that is known to be there. */
  get version(): number {
    return this.#tail.reduce((highest, { version = 0 }) => Math.max(highest, version), this.#baseVersion);
  }

  /** The highest version that was acknowledged as durable. */
  get durableVersion(): number {
    const durable = this.#tail.filter(({ fate }) => fate === "durable");
    return durable.reduce((highest, { version = 0 }) => Math.max(highest, version), this.#baseVersion);
  }

  /** Commits of which nobody knows. */
  get doubts(): number {
    return this.#tail.filter(isDoubtful).length;
  }

  get tail(): readonly Commit[] {
    return this.#tail;
  }

  event(): number {
    return ++this.#events;
  }

  /** With every commit that is known, and no other. */
  known(): State {
    if (this.#known !== undefined) return this.#known;
    const state = this.#base.copy();
    for (const commit of this.#tail) if (commit.version !== undefined) state.apply(commit.changes, factsOf(commit));
    return (this.#known = state);
  }

  begin(changes: readonly ModelChange[], nowMs: number): Commit {
    const commit: Commit = {
      number: ++this.#commits,
      turn: this.#turn,
      changes,
      nowMs,
      floor: this.version,
      fate: "pending",
      version: undefined,
      begunAt: this.event(),
      endedAt: Number.POSITIVE_INFINITY,
    };
    this.#tail.push(commit);
    this.#forget();
    return commit;
  }

  end(commit: Commit, fate: CommitFate, version?: number): void {
    commit.fate = fate;
    commit.version = version;
    commit.endedAt = this.event();
    this.#forget();
  }

  /** All that was asked for in this turn is answered. */
  endTurn(): Turn {
    this.#forget();
    this.#tail = this.#tail.filter(({ fate }) => fate !== "refused");
    const problem = this.#order();
    const isKnown = problem === undefined && this.doubts === 0;
    const steps = isKnown ? this.#stepsOf(this.#turn) : undefined;
    const passing = problem === undefined && !isKnown ? this.#passing(this.#turn) : [];
    this.#turn++;
    if (problem === undefined) this.#settle();
    return { problem, steps, passing };
  }

  /** The process has ended in the middle of it: what was not answered by now never will be. */
  cutTurn(): string | undefined {
    return this.endTurn().problem;
  }

  /** Everything up to this version is durable. */
  durableUpTo(version: number): void {
    let changed = false;
    for (const commit of this.#tail) {
      if (commit.fate !== "visible" || commit.version! > version) continue;
      commit.fate = "durable";
      changed = true;
    }
    if (changed) this.#settle();
  }

  /** What a reader of the running store may see: nearly always one state. */
  live(): readonly State[] {
    if (this.#live !== undefined) return this.#live;
    if (this.doubts === 0) return (this.#live = [this.known()]);
    const states: State[] = [];
    for (const order of this.#orders()) {
      const state = this.#play(order);
      if (state !== undefined) states.push(state.state);
      if (states.length >= outcomeLimit) break;
    }
    this.#live = states;
    return states;
  }

  /** What may be found after a crash. */
  *recoverable(): Generator<Outcome> {
    for (const order of this.#orders()) {
      const least = order.findLastIndex((commit) => isDoubtful(commit) || commit.fate === "durable") + 1;
      const state = this.#base.copy();
      let isPossible = true;
      for (const [place, commit] of order.entries()) {
        if (place >= least) yield { state: state.copy(), commits: order.slice(0, place) };
        isPossible = !isDoubtful(commit) || state.permits(commit.changes, commit.nowMs);
        if (!isPossible) break;
        state.apply(commit.changes, factsOf(commit));
      }
      if (isPossible) yield { state, commits: order };
    }
  }

  /** The store was opened again and holds this, all of it durable. */
  settleOn(state: State, version: number): void {
    this.#base = state;
    this.#baseVersion = Math.max(this.#baseVersion, version);
    this.#tail = [];
    this.#turn++;
    this.#forget();
  }

  /** Changes what is there by what no commit says: the work of consolidation. */
  amend(change: (state: State) => void): void {
    change(this.#base);
    this.#forget();
  }

  #stepsOf(turn: number): TurnStep[] {
    const state = this.#base.copy();
    const steps: TurnStep[] = [];
    for (const commit of this.#tail) {
      if (commit.turn >= turn && steps.length === 0) steps.push({ state: state.copy(), commit: undefined });
      state.apply(commit.changes, factsOf(commit));
      if (commit.turn >= turn) steps.push({ state: state.copy(), commit });
    }
    return steps.length === 0 ? [{ state, commit: undefined }] : steps;
  }

  #passing(turn: number): State[] {
    const states: State[] = [];
    for (const order of this.#orders()) {
      const state = this.#base.copy();
      for (const commit of order) {
        if (commit.turn >= turn || commit.fate === "queued") states.push(state.copy());
        if (isDoubtful(commit) && !state.permits(commit.changes, commit.nowMs)) break;
        state.apply(commit.changes, factsOf(commit));
      }
      states.push(state);
      if (states.length >= outcomeLimit) break;
    }
    return states;
  }

  #forget(): void {
    this.#live = undefined;
    this.#known = undefined;
  }

  #order(): string | undefined {
    const seen = new Set<number>();
    let before = this.#baseVersion;
    let turn = -1;
    let highest = before;
    const rank = (commit: Commit): number => (commit.fate === "queued" ? Infinity : commit.turn);
    this.#tail.sort((a, b) => rank(a) - rank(b) || (a.version ?? Infinity) - (b.version ?? Infinity) || 0);
    let begunAt = 0;
    for (const { version, turn: itsTurn, changes, ...when } of this.#tail) {
      if (version === undefined) continue;
      if (itsTurn > turn) [turn, before, begunAt] = [itsTurn, highest, 0];
      if (when.endedAt < begunAt) return `version ${version} was acknowledged before an older one was asked for`;
      begunAt = Math.max(begunAt, when.begunAt);
      if (seen.has(version)) return `two writes have the version ${version}`;
      if (version <= before) return `${changes[0]?.op} got the version ${version}, and ${before} was given out before`;
      seen.add(version);
      highest = Math.max(highest, version);
    }
    return undefined;
  }

  /** Moves what is sure into the base. */
  #settle(): void {
    const lastDurable = this.#tail.findLastIndex(({ fate }) => fate === "durable");
    const firstDoubt = this.#tail.findIndex((commit) => isDoubtful(commit) || commit.fate === "pending");
    const count = Math.min(lastDurable + 1, firstDoubt === -1 ? Number.POSITIVE_INFINITY : firstDoubt);
    for (const commit of this.#tail.splice(0, count)) {
      this.#base.apply(commit.changes, factsOf(commit));
      this.#baseVersion = Math.max(this.#baseVersion, commit.version ?? 0);
    }
    this.#forget();
  }

  /** Every order in which the tail may have been made: the known ones all, of the doubtful ones any. */
  #orders(): Iterable<readonly Commit[]> {
    return orders(this.#tail.filter(({ fate }) => fate !== "refused"));
  }

  #play(order: readonly Commit[]): Outcome | undefined {
    const state = this.#base.copy();
    for (const commit of order) {
      if (isDoubtful(commit) && !state.permits(commit.changes, commit.nowMs)) return undefined;
      state.apply(commit.changes, factsOf(commit));
    }
    return { state, commits: order };
  }
}

export function isDoubtful({ fate, version }: Commit): boolean {
  return version === undefined && fate !== "refused";
}

function factsOf({ version, number, nowMs }: Commit): CommitFacts {
  return { version: version ?? -number, nowMs };
}

/** Turn by turn; a commit that was answered before another was asked for stands before it. */
function* orders(commits: readonly Commit[], done: readonly Commit[] = []): Generator<readonly Commit[]> {
  if (commits.length === 0) return yield done;
  if (done.length === 0 && !commits.some(isDoubtful)) return yield commits;
  const first = commits[0]!;
  // Without doubts in it, a turn has one order.
  const ofTurn = commits.filter(
    ({ turn, fate }) => turn === first.turn && (fate === "queued") === (first.fate === "queued"),
  );
  const rest = commits.filter((commit) => !ofTurn.includes(commit));
  const known = ofTurn.filter((commit) => !isDoubtful(commit));
  for (const turn of interleavings(known, ofTurn.filter(isDoubtful))) yield* orders(rest, [...done, ...turn]);
}

function* interleavings(known: readonly Commit[], doubtful: readonly Commit[]): Generator<readonly Commit[]> {
  const [first, ...others] = doubtful;
  if (first === undefined) return yield known;
  for (const order of interleavings(known, others)) {
    yield order;
    for (let place = 0; place <= order.length; place++) {
      const [before, after] = [order.slice(0, place), order.slice(place)];
      const isLate = before.some(({ begunAt }) => begunAt > first.endedAt);
      const isEarly = after.some(({ endedAt }) => endedAt < first.begunAt);
      if (!isLate && !isEarly) yield [...before, first, ...after];
    }
  }
}
