/**
 * What is measured: something that makes records durable, and how it is kept busy.
 *
 * Writers work in a closed loop: each waits until its record is acknowledged before it hands in the next. A contender
 * that blocks has no writers side by side; it is given its records as one transaction instead, which is the most that
 * it can make of them.
 */
import { systemClock } from "../../src/base/index.ts";

export interface Contender {
  readonly name: string;
  /** Opens in a folder that is empty and its own. */
  open(folder: string): Promise<OpenContender>;
}

export interface OpenContender {
  /** Works until the time is over and everything begun is acknowledged. */
  turn(durationMs: number): Promise<Turn>;
  close(): Promise<void>;
}

export interface Turn {
  readonly records: number;
  readonly elapsedMs: number;
  /** Syncs of the log in this time, and the groups that shared them; where that is known. */
  readonly syncs?: number;
  readonly groups?: number;
}

export const recordBytes = 400;

/** Text, so that a form for people is not slowed by what it would have to disguise; no two alike. */
export function makeRecords(count: number, random: () => number): Uint8Array[] {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return Array.from({ length: count }, () =>
    Uint8Array.from({ length: recordBytes }, () => letters.charCodeAt(Math.floor(random() * letters.length))),
  );
}

/** `append` makes `recordsEach` records durable before it resolves. */
export async function closedLoop(
  writers: number,
  durationMs: number,
  recordsEach: number,
  append: () => Promise<unknown>,
): Promise<Turn> {
  const start = systemClock.monotonicMs();
  const end = start + durationMs;
  let records = 0;
  const write = async (): Promise<void> => {
    do {
      await append();
      records += recordsEach;
    } while (systemClock.monotonicMs() < end);
  };
  await Promise.all(Array.from({ length: writers }, write));
  return { records, elapsedMs: systemClock.monotonicMs() - start };
}

export function blockingLoop(durationMs: number, recordsEach: number, append: () => void): Turn {
  const start = systemClock.monotonicMs();
  const end = start + durationMs;
  let records = 0;
  do {
    append();
    records += recordsEach;
  } while (systemClock.monotonicMs() < end);
  return { records, elapsedMs: systemClock.monotonicMs() - start };
}
