import { describe, expect, it } from "vitest";
import { type Entry, Ledger } from "./ledger.ts";

const [a, b, c, d]: Entry[] = ["a", "b", "c", "d"].map((text, place) => ({ sequence: place + 1, text }));

/** `a` alone, `b` and `c` as a group, `d` alone; so many of the three acknowledged. */
function ledgerOf(acknowledged: number): Ledger {
  const ledger = new Ledger();
  for (const [place, entries] of [[a!], [b!, c!], [d!]].entries()) {
    const group = ledger.submit(entries.map((entry) => ledger.giveOut(entry)));
    group.acknowledged = place < acknowledged;
  }
  return ledger;
}

describe("the ledger", () => {
  it("wants what was acknowledged, and takes what was only submitted, in order and whole", () => {
    const ledger = ledgerOf(1);
    for (const right of [[a!], [a!, b!, c!], [a!, b!, c!, d!]]) expect(ledger.refusal(right)).toBeUndefined();
    const wrong = [
      [],
      [a!, b!],
      [a!, c!],
      [a!, d!],
      [b!, c!],
      [a!, c!, b!],
      [a!, a!],
      [{ ...a!, text: "x" }],
      [{ ...a!, sequence: 7 }],
    ];
    for (const entries of wrong) expect(ledger.refusal(entries), JSON.stringify(entries)).toBeDefined();
    expect(ledgerOf(3).refusal([a!, b!, c!])).toMatch(/found \[1:a 2:b 3:c\]; acknowledged \[1:a \| 2:b 3:c \| 4:d\]/);
  });

  it("wants what was truncated gone once that was acknowledged, and before lets it be there or not", () => {
    const ledger = ledgerOf(3);
    const truncation = ledger.truncate(3);
    expect(ledger.refusal([a!, b!, c!, d!])).toBeUndefined();
    expect(ledger.refusal([c!, d!])).toBeUndefined();
    expect(ledger.refusal([b!, c!, d!])).toBeDefined();
    truncation.done = true;
    expect(ledger.refusal([a!, b!, c!, d!])).toBeDefined();
    expect(ledger.refusal([c!, d!])).toBeUndefined();
  });

  it("takes nothing but what was found, once the log was opened, and no number twice", () => {
    const settled = ledgerOf(1).settled([a!]);
    expect(settled.refusal([a!])).toBeUndefined();
    expect(settled.refusal([a!, b!, c!])).toBeDefined();
    settled.giveOut({ sequence: 4, text: "e" });
    expect(settled.problem).toMatch("e got the number 4, which was given out before");
    expect(ledgerOf(1).signature).not.toBe(ledgerOf(2).signature);
  });
});
