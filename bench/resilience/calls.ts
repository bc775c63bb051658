/**
 * The guarded calls and the loops that make them. The engine must neither see through a call nor leave it out: there
 * are eight different ones, each counts, and the loop gives back a sum that is compared with what it has to be. One
 * loop serves all contenders, so that it is optimised for none of them.
 */
import { assert } from "../../src/base/index.ts";
import type { AsyncCall, AsyncGuard, Contender, SyncCall, SyncGuard } from "./contender.ts";

let made = 0;

const asyncCalls: readonly AsyncCall[] = [
  async () => ++made,
  async () => (made += 1),
  async () => {
    made++;
    return made;
  },
  async () => {
    made += 1;
    return made | 0;
  },
  async () => made++ + 1,
  async () => Math.max(++made, 0),
  async () => -~made++,
  async () => {
    const next = made + 1;
    made = next;
    return next;
  },
];

const syncCalls: readonly SyncCall[] = [
  () => ++made,
  () => (made += 1),
  () => {
    made++;
    return made;
  },
  () => {
    made += 1;
    return made | 0;
  },
  () => made++ + 1,
  () => Math.max(++made, 0),
  () => -~made++,
  () => {
    const next = made + 1;
    made = next;
    return next;
  },
];

/** A guard, and how it is called many times; throws where a call was left out or its answer lost. */
export type Turn = (count: number) => Promise<void>;

export function turnOf(contender: Contender): Turn {
  if (contender.kind === "sync") {
    const guard = contender.make();
    return async (count) => checked(count, callSync(guard, count));
  }
  return turnThrough(contender.make());
}

export function turnThrough(guard: AsyncGuard, signal?: AbortSignal): Turn {
  return async (count) => checked(count, await callAsync(guard, count, signal));
}

/** The answers are 1, 2, 3, …; numbers start anew each time, so that they stay small. */
function checked(count: number, sum: number): void {
  assert(made === count && sum === (count * (count + 1)) / 2, `${count} calls gave the sum ${sum}, ${made} were made`);
}

async function callAsync(guard: AsyncGuard, count: number, signal: AbortSignal | undefined): Promise<number> {
  made = 0;
  let sum = 0;
  for (let index = 0; index < count; index++) sum += await guard(asyncCalls[index & 7]!, signal);
  return sum;
}

function callSync(guard: SyncGuard, count: number): number {
  made = 0;
  let sum = 0;
  for (let index = 0; index < count; index++) sum += guard(syncCalls[index & 7]!);
  return sum;
}

/** Fails until the guard refuses; then a turn is so many refusals. Bare has nothing to refuse with: its calls fail. */
export async function refusalTurnOf(contender: Contender): Promise<Turn> {
  return contender.kind === "sync" ? syncRefusals(contender.make(), contender) : asyncRefusals(contender);
}

const attemptsToOpen = 1_000;
let ran = 0;

const failAsync: AsyncCall = async () => {
  ran++;
  throw new Error("the service failed");
};

const failSync: SyncCall = () => {
  ran++;
  throw new Error("the service failed");
};

async function asyncRefusals(contender: Contender & { readonly kind: "async" }): Promise<Turn> {
  const guard = contender.make();
  const refusals = async (count: number): Promise<number> => {
    let refused = 0;
    for (let index = 0; index < count; index++) {
      try {
        await guard(failAsync);
      } catch {
        refused++;
      }
    }
    return refused;
  };
  if (contender.role !== "bare") await refusals(attemptsToOpen);
  return async (count) => checkRefusals(contender, count, await refusals(count));
}

function syncRefusals(guard: SyncGuard, contender: Contender): Turn {
  const refusals = (count: number): number => {
    let refused = 0;
    for (let index = 0; index < count; index++) {
      try {
        guard(failSync);
      } catch {
        refused++;
      }
    }
    return refused;
  };
  if (contender.role !== "bare") refusals(attemptsToOpen);
  return async (count) => checkRefusals(contender, count, refusals(count));
}

function checkRefusals({ name, role }: Contender, count: number, refused: number): void {
  const expected = role === "bare" ? count : 0;
  const before = ran;
  ran = 0;
  assert(refused === count, `${name} refused ${refused} of ${count} calls`);
  assert(before <= expected || before >= attemptsToOpen, `${name} let ${before} calls through`);
}
