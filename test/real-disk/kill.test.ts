/** Writers under `kill -9`. `node test/real-disk/kill-long.ts` does this more often and prints what each life left. */
import { describe, expect, it } from "vitest";
import { killAgainAndAgain } from "./kill-trial.ts";
import { LogWitness } from "./log-witness.ts";
import { payloadOf } from "./payload.ts";

const kills = 12;

describe("a log whose writers are killed", () => {
  it.each([
    { format: "binary", durability: "fdatasync", seed: 20 },
    { format: "json", durability: "dsync", seed: 21 },
  ] as const)(
    "W3: keeps what it acknowledged, in order, nothing half or twice ($format, $durability)",
    async (options) => {
      const { lives, complaints } = await killAgainAndAgain({ kills, ...options });
      expect(complaints).toEqual([]);
      expect(lives.length).toBe(kills + 1);
      expect(lives.filter(({ acknowledged }) => acknowledged > 0).length).toBeGreaterThan(2);
    },
    120_000,
  );
});

describe("the witness", () => {
  const entry = (write: number, entryPlace: number, of: number, sequence: number) => ({
    sequence,
    payload: payloadOf({ run: 1, writer: "a0", write, entry: entryPlace, of, bytes: 300 }),
  });
  const told = (...lines: readonly string[]): LogWitness => {
    const witness = new LogWitness();
    for (const line of lines) witness.hear(line);
    return witness;
  };

  it("is content with what was acknowledged, whole and in order", () => {
    const log = [entry(0, 0, 1, 1), entry(1, 0, 2, 2), entry(1, 1, 2, 3)];
    expect(told("acked r1/a0/0 1 1", "acked r1/a0/1 2 3").complaintsAbout(log)).toEqual([]);
  });

  it("complains of what is missing, half, changed, moved, twice, or never written", () => {
    const whole = [entry(0, 0, 1, 1), entry(1, 0, 2, 2), entry(1, 1, 2, 3)];
    const complain = (log: typeof whole) => told("acked r1/a0/0 1 1", "acked r1/a0/1 2 3").complaintsAbout(log);
    expect(complain(whole.slice(1))).toHaveLength(1);
    expect(complain(whole.slice(0, 2)).length).toBeGreaterThan(0);
    expect(complain(whole.toReversed()).length).toBeGreaterThan(0);
    expect(complain([...whole, { ...whole[0]!, sequence: 4 }]).length).toBeGreaterThan(0);
    const changed = { sequence: 1, payload: whole[0]!.payload.map((byte, place) => (place === 200 ? byte ^ 1 : byte)) };
    expect(complain([changed, ...whole.slice(1)]).length).toBeGreaterThan(0);
    expect(complain([{ ...whole[0]!, sequence: 2 }, whole[1]!, whole[2]!]).length).toBeGreaterThan(0);
  });

  it("lets go what lies before a truncation, and nothing else", () => {
    const witness = told("acked r1/a0/0 1 1", "acked r1/a0/1 2 3", "truncating 3");
    expect(witness.complaintsAbout([entry(1, 1, 2, 3)])).toEqual([]);
    expect(witness.complaintsAbout([])).toHaveLength(1);
  });

  it("knows an aborted transaction, and a number that comes to stand for something else", () => {
    expect(told("aborted r1/a0/0").complaintsAbout([entry(0, 0, 1, 1)])).toHaveLength(1);
    expect(told("acked r1/a0/0 1 1").hear("acked r1/a0/1 1 1")).toHaveLength(1);
  });
});
