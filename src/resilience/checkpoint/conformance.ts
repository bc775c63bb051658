/**
 * What a backend has to do, as cases that any test framework can run. An entry of its own.
 *
 *     for (const { name, run } of checkpointBackendConformance()) it(name, () => run(emptyPlace()));
 *
 * A case throws where the backend falls short, with a message that says how. Each needs an empty place of its own.
 */

import { AssertionFailure, bytesEqual } from "../../base/index.ts";
import { type CheckpointBackend, hasCode } from "./backend.ts";

export interface ConformancePlace {
  /**
   * Another handle on the same place. Where `capabilities.exclusive` is true, the one before was closed. The case
   * closes what it opens.
   */
  open(): CheckpointBackend | Promise<CheckpointBackend>;
}

export interface ConformanceCase {
  readonly name: string;
  run(place: ConformancePlace): Promise<void>;
}

const limitBytes = 64 * 1024 * 1024;
const longestId = `Z${"z".repeat(62)}9`;

export function checkpointBackendConformance(): readonly ConformanceCase[] {
  return Object.entries(cases).map(([name, run]) => ({
    name,
    run: async (place) => {
      const backend = await place.open();
      try {
        await run(backend, place);
      } finally {
        await backend.close?.();
      }
    },
  }));
}

type Run = (backend: CheckpointBackend, place: ConformancePlace) => Promise<void>;

const cases: Readonly<Record<string, Run>> = {
  async "an empty place lists nothing and begins with version 1"(backend) {
    const { versions, next } = await backend.list("a");
    expect(versions.length === 0 && next === 1, `an empty place lists [${versions}], next ${next}`);
    expect((await backend.get("a", 1, { limitBytes })) === undefined, "it gives bytes of a version it does not have");
  },

  async "what is put comes back to the byte, from 1 byte to 1 MiB"(backend) {
    for (const [place, size] of [1, 255, 4_096, 65_537, 1_048_576].entries()) {
      const bytes = pattern(size, place);
      expect(await backend.put("a", place + 1, bytes), `version ${place + 1} is refused`);
      expectBytes(await backend.get("a", place + 1, { limitBytes }), bytes, `version ${place + 1}`);
    }
  },

  async "every version is listed as soon as it is put, in the order of numbers"(backend) {
    for (let version = 1; version <= 12; version++) {
      expect(await backend.put("a", version, pattern(10, version)), `version ${version} is refused`);
      const { versions, next } = await backend.list("a");
      const wanted = Array.from({ length: version }, (_, place) => place + 1);
      expect(`${versions}` === `${wanted}`, `it lists [${versions}] where [${wanted}] were put`);
      expect(next === version + 1, `next is ${next} after version ${version}`);
    }
  },

  async "a version is put once: a second one is refused and changes nothing"(backend) {
    const bytes = pattern(5_000, 1);
    expect(await backend.put("a", 1, bytes), "version 1 is refused");
    expect(!(await backend.put("a", 1, pattern(5_000, 2))), "version 1 is put twice");
    expect(!(await backend.put("a", 1, bytes)), "version 1 is put twice with the same bytes");
    expectBytes(await backend.get("a", 1, { limitBytes }), bytes, "version 1 after a second put");
  },

  async "a version that was removed is not used again"(backend) {
    for (const version of [1, 2, 3]) await backend.put("a", version, pattern(10, version));
    await backend.delete("a", 2);
    expect(!(await backend.put("a", 2, pattern(10, 9))), "version 2 is put again after it was removed");
    const { versions, next } = await backend.list("a");
    expect(`${versions}` === "1,3" && next === 4, `it lists [${versions}], next ${next}`);
  },

  async "removing takes one version and no other, twice as well as once"(backend) {
    for (const id of ["a", "b"]) for (const version of [1, 2, 10]) await backend.put(id, version, pattern(9, version));
    for (let times = 0; times < 2; times++) await backend.delete("a", 1);
    expect((await backend.get("a", 1, { limitBytes })) === undefined, "a removed version is still given out");
    const [a, b] = [await backend.list("a"), await backend.list("b")];
    expect(`${a.versions}` === "2,10" && a.next === 11, `[${a.versions}] are left of 2 and 10, next ${a.next}`);
    expect(`${b.versions}` === "1,2,10", `another component has [${b.versions}] left of 1, 2 and 10`);
    expectBytes(await backend.get("a", 10, { limitBytes }), pattern(9, 10), "version 10");
    await backend.delete("c", 1);
  },

  async "ids that are alike are kept apart"(backend) {
    const ids = [
      "a",
      "A",
      "aa",
      "a.1",
      "a-1",
      "a_1",
      "a1",
      "a.",
      "a.0000000000000001",
      longestId,
      longestId.slice(1),
      longestId.slice(0, -1),
    ];
    for (const [place, id] of ids.entries())
      for (let version = 1; version <= place + 1; version++)
        await backend.put(id, version, pattern(40 + place, version));
    for (const [place, id] of ids.entries()) {
      const { versions } = await backend.list(id);
      expect(versions.length === place + 1, `${id} has ${versions.length} versions of ${place + 1}`);
      expectBytes(await backend.get(id, 1, { limitBytes }), pattern(40 + place, 1), `version 1 of ${id}`);
    }
  },

  async "bytes that change after they were handed over change nothing"(backend) {
    const given = pattern(3_000, 1);
    await backend.put("a", 1, given);
    given.fill(0);
    const out = await backend.get("a", 1, { limitBytes });
    expectBytes(out, pattern(3_000, 1), "version 1 after the caller's copy was changed");
    out?.fill(0);
    expectBytes(
      await backend.get("a", 1, { limitBytes }),
      pattern(3_000, 1),
      "version 1 after a reader changed its copy",
    );
  },

  async "of many who put one version at the same time, exactly one does"(backend) {
    for (let version = 1; version <= 4; version++) {
      const contenders = Array.from({ length: 12 }, (_, place) => pattern(2_000 + place, place));
      const won = await Promise.all(contenders.map((bytes) => backend.put("a", version, bytes)));
      const winners = won.flatMap((one, place) => (one ? [place] : []));
      expect(winners.length === 1, `${winners.length} of 12 put version ${version}`);
      expectBytes(await backend.get("a", version, { limitBytes }), contenders[winners[0]!]!, "what the winner put");
    }
  },

  async "nobody sees a version that is not whole"(backend) {
    let isOver = false;
    const read = async (): Promise<void> => {
      while (!isOver) {
        const { versions } = await backend.list("a");
        const version = versions.at(-1);
        if (version !== undefined) {
          const wanted = pattern(300_000, version);
          expectBytes(await backend.get("a", version, { limitBytes }), wanted, `version ${version}, as listed`);
        }
        const early = await backend.get("a", (version ?? 0) + 1, { limitBytes });
        if (early !== undefined) expectBytes(early, pattern(300_000, (version ?? 0) + 1), "a version not listed yet");
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    };
    const readers = [read(), read()];
    const write = async (): Promise<void> => {
      for (let version = 1; version <= 12; version++) await backend.put("a", version, pattern(300_000, version));
    };
    await Promise.all([write().finally(() => (isOver = true)), ...readers]);
  },

  async "a version larger than its reader allows is refused, and the next size is not"(backend) {
    await backend.put("a", 1, pattern(1_000, 1));
    const refused = await backend.get("a", 1, { limitBytes: 999 }).catch((error: unknown) => error);
    expect(hasCode(refused, "CHECKPOINT_UNREADABLE"), `999 bytes allowed of 1,000: ${String(refused)}`);
    expectBytes(await backend.get("a", 1, { limitBytes: 1_000 }), pattern(1_000, 1), "version 1 within its limit");
  },

  async "an abort is obeyed, and its reason passed on"(backend) {
    await backend.put("a", 1, pattern(10, 1));
    const reason = new Error("enough");
    const signal = AbortSignal.abort(reason);
    for (const [name, call] of Object.entries({
      put: () => backend.put("a", 2, pattern(10, 2), { signal }),
      get: () => backend.get("a", 1, { limitBytes, signal }),
      list: () => backend.list("a", { signal }),
      delete: () => backend.delete("a", 1, { signal }),
    })) {
      const outcome = await call().catch((error: unknown) => error);
      expect(outcome === reason, `${name} with an aborted signal comes to ${String(outcome)}`);
    }
    const { versions } = await backend.list("a");
    expect(`${versions}` === "1", `after aborted calls it lists [${versions}]`);
  },

  async "versions may have gaps and many digits"(backend) {
    const versions = [3, 10, 1_000_000_007, 9_007_199_254_740_000];
    for (const version of versions) expect(await backend.put("a", version, pattern(20, 1)), `${version} is refused`);
    const listed = await backend.list("a");
    expect(`${listed.versions}` === `${versions}`, `it lists [${listed.versions}] of [${versions}]`);
    expect(listed.next === 9_007_199_254_740_001, `next is ${listed.next}`);
  },

  async "forty versions are all listed"(backend) {
    for (let version = 1; version <= 40; version++) await backend.put("a", version, pattern(5, version));
    const { versions } = await backend.list("a");
    expect(versions.length === 40, `it lists ${versions.length} versions of 40`);
  },

  async "another handle sees at once what was acknowledged, and goes on from there"(backend, place) {
    for (const version of [1, 2, 3]) await backend.put("a", version, pattern(100, version));
    await backend.delete("a", 1);
    if (backend.capabilities.exclusive) await backend.close?.();
    const other = await place.open();
    try {
      const { versions, next } = await other.list("a");
      expect(`${versions}` === "2,3", `another handle lists [${versions}] of 2 and 3`);
      expect(next > 3, `another handle's next version is ${next}`);
      expectBytes(await other.get("a", 3, { limitBytes }), pattern(100, 3), "version 3 at another handle");
      expect(!(await other.put("a", 3, pattern(100, 9))), "another handle puts version 3 again");
      if (!backend.capabilities.exclusive) {
        // Whoever asked before it was there must not remember that it was not.
        await backend.list("a");
        expect(
          (await backend.get("a", next, { limitBytes })) === undefined,
          `version ${next} is there before it was put`,
        );
      }
      expect(await other.put("a", next, pattern(100, 4)), "another handle cannot put the next version");
      if (backend.capabilities.exclusive) return;
      const seen = await backend.list("a");
      expect(seen.versions.at(-1) === next, `the first handle lists [${seen.versions}] after version ${next}`);
      expectBytes(await backend.get("a", next, { limitBytes }), pattern(100, 4), "the other handle's version");
    } finally {
      await other.close?.();
    }
  },
};

function expect(isRight: boolean, otherwise: string): void {
  if (!isRight) throw new AssertionFailure(otherwise);
}

function expectBytes(found: Uint8Array | undefined, wanted: Uint8Array, what: string): void {
  expect(found !== undefined, `${what} is not there`);
  if (found === undefined || bytesEqual(found, wanted)) return;
  const place = wanted.findIndex((byte, at) => found[at] !== byte);
  const where = place === -1 ? "a tail" : `a difference at byte ${place}`;
  throw new AssertionFailure(`${what}: ${found.length} bytes where ${wanted.length} were put, with ${where}`);
}

/** All byte values, and no two seeds alike. */
function pattern(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let place = 0; place < sizeBytes; place++) bytes[place] = place * 131 + (place >> 8) * 7 + seed * 29;
  return bytes;
}
