import { describe, expect, it } from "vitest";
import { hexOf, utf8, VirtualClock } from "../../base/index.ts";
import { uncertain } from "./backend.ts";
import { type CheckpointBackend, type CheckpointFallback, checkpoints, memoryCheckpoints } from "./index.ts";
import { type TextComponent, textComponent } from "./testing/text-component.ts";

interface Setting {
  readonly kept: ReturnType<typeof checkpoints>;
  readonly backend: CheckpointBackend;
  readonly component: TextComponent;
}

function setting(options: Partial<Parameters<typeof checkpoints>[0]> = {}): Setting {
  const backend = options.backend ?? memoryCheckpoints();
  const component = textComponent("counter");
  const kept = checkpoints({ ...options, backend });
  kept.register(component);
  return { kept, backend, component };
}

async function save({ kept, component }: Setting, ...texts: readonly string[]): Promise<number[]> {
  const versions: number[] = [];
  for (const text of texts) {
    component.text = text;
    versions.push((await kept.checkpoint("counter")).version);
  }
  return versions;
}

/** The backend, with the bytes of some versions changed on their way out. */
function damaging(backend: CheckpointBackend, damaged: ReadonlySet<number>): CheckpointBackend {
  return {
    ...backend,
    async get(id, version, options) {
      const bytes = await backend.get(id, version, options);
      if (damaged.has(version) && bytes !== undefined) bytes[bytes.length - 1] = bytes[bytes.length - 1]! ^ 1;
      return bytes;
    },
  };
}

const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);

describe("checkpoints", () => {
  it("R10: come back as they were, with what is known of them", async () => {
    const clock = new VirtualClock({ nowMs: 1_800_000_000_000 });
    const own = setting({ clock });
    await save(own, "one", "two");
    own.component.text = "lost";
    const { version, info, fellBack } = await own.kept.restore("counter");
    expect([version, own.component.text, fellBack]).toEqual([2, "two", []]);
    expect(info).toMatchObject({ id: "counter", version: 2, parent: 1, createdMs: 1_800_000_000_000, sizeBytes: 3 });
    expect(info.fnv1a64).toMatch(/^[0-9a-f]{16}$/);
    expect(own.component.given).toEqual([info]);
  });

  it("R10: have the state at 10 again after work went on to 20, as PRISM's integrity test asks", async () => {
    const own = setting();
    for (let step = 1; step <= 20; step++) {
      own.component.text = String(step);
      if (step === 10) await own.kept.checkpoint("counter");
    }
    await own.kept.restore("counter");
    expect(own.component.text).toBe("10");
  });

  it("R10: are listed and pruned to the newest, and a named version comes back", async () => {
    const own = setting({ keep: 3 });
    expect(await save(own, "a", "b", "c", "d", "e")).toEqual([1, 2, 3, 4, 5]);
    expect(await own.kept.list("counter")).toEqual([3, 4, 5]);
    expect((await own.kept.restore("counter", { version: 3 })).version).toBe(3);
    expect(own.component.text).toBe("c");
    expect(await own.kept.prune("counter", { keep: 2 })).toEqual([3]);
    await expect(own.kept.restore("counter", { version: 3 })).rejects.toMatchObject({
      code: "CHECKPOINT_NONE",
      hint: "Versions that are kept: 4, 5.",
    });
    expect(own.kept.statistics().pruned).toBe(3);
  });

  it("R10: fall back from a damaged newest to the newest good one, and say so", async () => {
    const memory = memoryCheckpoints();
    await save(setting({ backend: memory }), "a", "b", "c");
    const own = setting({ backend: damaging(memory, new Set([2, 3])) });
    const events: CheckpointFallback[] = [];
    own.kept.onFellBack((event) => events.push(event));
    const { version, fellBack } = await own.kept.restore("counter");
    expect([version, own.component.text]).toEqual([1, "a"]);
    const passed = [3, 2].map((one) => ({ version: one, reason: "the FNV-1a 64 of its state is wrong" }));
    expect(fellBack).toEqual(passed);
    expect(events).toEqual([{ id: "counter", version: 1, fellBack: passed }]);
    expect(own.kept.statistics().fallbacks).toBe(1);
    expect((await own.kept.verify("counter")).map(({ verdict }) => verdict)).toEqual(["good", "damaged", "damaged"]);
  });

  it("R10: never prune the last good ones for the sake of damaged ones", async () => {
    const memory = memoryCheckpoints();
    await save(setting({ backend: memory }), "a", "b", "c", "d");
    const own = setting({ backend: damaging(memory, new Set([3, 4])), keep: 2 });
    await own.kept.restore("counter");
    await save(own, "e");
    expect(await own.kept.list("counter")).toEqual([2, 3, 4, 5]);
    await save(own, "f");
    expect(await own.kept.list("counter")).toEqual([5, 6]);
  });

  it("R10: say what is wrong where none is good or none is there", async () => {
    const memory = memoryCheckpoints();
    const own = setting({ backend: damaging(memory, new Set([1, 2])) });
    await expect(own.kept.restore("counter")).rejects.toMatchObject({ code: "CHECKPOINT_NONE" });
    await save(own, "a", "b");
    await expect(own.kept.restore("counter")).rejects.toMatchObject({
      code: "CHECKPOINT_DAMAGED",
      details: { versions: [2, 1] },
    });
    await expect(own.kept.restore("counter", { version: 1 })).rejects.toMatchObject({ code: "CHECKPOINT_DAMAGED" });
    expect(own.component.given).toEqual([]);
  });

  it("R10: refuse a newer program's state rather than fall back behind it", async () => {
    const memory = memoryCheckpoints();
    const newer = checkpoints({ backend: memory });
    newer.register({ ...textComponent("counter"), formatVersion: 2 });
    await newer.checkpoint("counter");
    const own = setting({ backend: memory });
    await expect(own.kept.restore("counter")).rejects.toMatchObject({ code: "CHECKPOINT_FORMAT" });
    expect(own.component.given).toEqual([]);
  });

  it("R10: pass on what a component threw when it was given its state", async () => {
    const own = setting();
    await save(own, "a");
    own.component.restore = () => {
      throw new Error("no such field");
    };
    await expect(own.kept.restore("counter")).rejects.toMatchObject({ code: "CHECKPOINT_REJECTED" });
    expect(own.kept.statistics()).toMatchObject({ restores: 0, failures: 1 });
  });

  it("R10: do without a clock that makes sense, and end before versions do", async () => {
    const clock = { ...new VirtualClock(), nowMs: () => Number.NaN, monotonicMs: () => 0, schedule: () => () => {} };
    const own = setting({ clock });
    expect((await own.kept.checkpoint("counter")).createdMs).toBe(0);
    const memory = memoryCheckpoints();
    await memory.put("counter", Number.MAX_SAFE_INTEGER, utf8("last"));
    await expect(setting({ backend: memory }).kept.checkpoint("counter")).rejects.toMatchObject({
      code: "CHECKPOINT_EXHAUSTED",
    });
  });
});

describe("writers of one component", () => {
  it("R10: with one expectation succeed once, whoever comes first", async () => {
    const backend = memoryCheckpoints();
    const [one, other] = [setting({ backend }), setting({ backend })];
    await save(one, "start");
    for (let version = 1; version < 20; version++) {
      const expectedVersion = await newest(one);
      const outcomes = await Promise.allSettled(
        [one, other].map(({ kept }) => kept.checkpoint("counter", { expectedVersion })),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(1);
      const lost = outcomes.find((outcome) => outcome.status === "rejected");
      expect(lost?.reason).toMatchObject({ code: "CHECKPOINT_CONFLICT" });
    }
    expect(await newest(one)).toBe(20);
    expect(one.kept.statistics().conflicts + other.kept.statistics().conflicts).toBe(19);
  });

  it("R10: without one all succeed, each under a version of its own", async () => {
    const backend = memoryCheckpoints();
    const writers = Array.from({ length: 6 }, () => setting({ backend }));
    const versions = await Promise.all(writers.map(async (own) => (await own.kept.checkpoint("counter")).version));
    expect(versions.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it("R10: refuse a stale expectation, and 0 where there is something", async () => {
    const own = setting();
    expect((await own.kept.checkpoint("counter", { expectedVersion: 0 })).version).toBe(1);
    await expect(own.kept.checkpoint("counter", { expectedVersion: 0 })).rejects.toMatchObject({
      code: "CHECKPOINT_CONFLICT",
      details: { expected: 0, found: 1 },
    });
    expect((await own.kept.checkpoint("counter", { expectedVersion: 1 })).parent).toBe(1);
  });
});

describe("calls that fail or are given up", () => {
  it("R10: a failed put stops no later one", async () => {
    const memory = memoryCheckpoints();
    let puts = 0;
    const put: CheckpointBackend["put"] = async (...words) => {
      if (++puts % 2 === 1) throw new Error("no route");
      return await memory.put(...words);
    };
    const own = setting({ backend: { ...memory, put } });
    const failures: string[] = [];
    own.kept.onFailed(({ operation, error }) => failures.push(`${operation} ${String(error)}`));
    for (const wanted of [1, 2, 3]) {
      await expect(own.kept.checkpoint("counter")).rejects.toThrow("no route");
      expect((await own.kept.checkpoint("counter")).version).toBe(wanted);
    }
    expect(failures).toEqual(Array(3).fill("checkpoint Error: no route"));
    expect(own.kept.statistics()).toMatchObject({ checkpoints: 3, failures: 3 });
  });

  it("R10: an unknown outcome is followed by another version only where nobody else can have written", async () => {
    for (const exclusive of [true, false]) {
      const memory = memoryCheckpoints();
      let isFirst = true;
      const put: CheckpointBackend["put"] = async (id, version, ...words) => {
        const done = await memory.put(id, version, ...words);
        if (!isFirst) return done;
        isFirst = false;
        throw uncertain(id, version, "no answer");
      };
      const own = setting({ backend: { ...memory, put, capabilities: { ...memory.capabilities, exclusive } } });
      const outcome = await own.kept.checkpoint("counter").then(({ version }) => version, codeOf);
      expect(outcome).toBe(exclusive ? 2 : "CHECKPOINT_UNCERTAIN");
      expect((await own.kept.checkpoint("counter")).version).toBe(exclusive ? 3 : 2);
    }
  });

  it("R10: a prune that fails leaves the checkpoint acknowledged, and is told", async () => {
    const memory = memoryCheckpoints();
    const backend = { ...memory, delete: () => Promise.reject(new Error("read only")) };
    const own = setting({ backend, keep: 2 });
    const operations: string[] = [];
    own.kept.onFailed(({ operation }) => operations.push(operation));
    expect(await save(own, "a", "b", "c")).toEqual([1, 2, 3]);
    expect(operations).toEqual(["prune"]);
  });

  it("R10: an abort ends the waiting within the turn, of a save that never ends too", async () => {
    const own = setting();
    let saves = 0;
    own.component.save = () => (++saves === 1 ? new Promise<Uint8Array>(() => undefined) : utf8("second"));
    const caller = new AbortController();
    const hung = own.kept.checkpoint("counter", { signal: caller.signal }).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    caller.abort("enough");
    expect(await Promise.race([hung, new Promise((resolve) => setImmediate(() => resolve("late")))])).toBe("enough");
    expect((await own.kept.checkpoint("counter")).version).toBe(1);
    expect(own.kept.statistics().failures).toBe(0);
  });

  it("R10: a state that is too large or no bytes is refused", async () => {
    const own = setting({ limitBytes: 4 });
    own.component.text = "five!";
    await expect(own.kept.checkpoint("counter")).rejects.toMatchObject({ code: "CHECKPOINT_TOO_LARGE" });
    own.component.save = () => "text" as unknown as Uint8Array;
    await expect(own.kept.checkpoint("counter")).rejects.toMatchObject({ code: "CHECKPOINT_BAD_STATE" });
    own.component.save = () => utf8("four");
    expect((await own.kept.checkpoint("counter")).sizeBytes).toBe(4);
  });

  it("R10: calls that come while one runs share the next, which sees the state as it is then", async () => {
    const own = setting();
    const states: string[] = [];
    const gate = Promise.withResolvers<void>();
    own.component.save = async () => {
      states.push(own.component.text);
      if (states.length === 1) await gate.promise;
      return utf8(states.at(-1)!);
    };
    own.component.text = "old";
    const first = own.kept.checkpoint("counter");
    await new Promise((resolve) => setImmediate(resolve));
    own.component.text = "new";
    const later = Array.from({ length: 50 }, () => own.kept.checkpoint("counter"));
    gate.resolve();
    expect((await first).version).toBe(1);
    expect(new Set((await Promise.all(later)).map(({ version }) => version))).toEqual(new Set([2]));
    expect(states).toEqual(["old", "new"]);
  });
});

describe("many components", () => {
  it("R10: are all taken, and one that fails is no other one's failure", async () => {
    const kept = checkpoints({ backend: memoryCheckpoints() });
    const broken = { ...textComponent("b"), save: () => Promise.reject(new Error("broken")) };
    for (const component of [textComponent("a"), broken, textComponent("c")]) kept.register(component);
    const outcomes = await kept.checkpointAll();
    expect(outcomes.map(({ id, info, error }) => [id, info?.version, error === undefined])).toEqual([
      ["a", 1, true],
      ["b", undefined, false],
      ["c", 1, true],
    ]);
  });

  it("are registered under ids of their own, in bounds", () => {
    const kept = checkpoints({ backend: memoryCheckpoints(), componentLimit: 2 });
    const registration = kept.register(textComponent("a"));
    const register = (id: string) => () => kept.register(textComponent(id));
    expect(register("a")).toThrow(/registered already/);
    for (const id of ["", ".a", "a/b", "a@b", "a b", "ä", "x".repeat(65), "__proto__\n"])
      expect(register(id)).toThrow(/cannot be the id/);
    kept.register(textComponent("b"));
    expect(register("c")).toThrow(/componentLimit|registered already/);
    registration[Symbol.dispose]();
    kept.register(textComponent("a"));
  });

  it("are closed when the last of them is kept, also of a component that is registered no more; twice is once", async () => {
    const steps: string[] = [];
    const backend = memoryCheckpoints();
    const slow: CheckpointBackend = {
      ...{ name: backend.name, capabilities: backend.capabilities },
      list: (...given) => backend.list(...given),
      get: (...given) => backend.get(...given),
      delete: (...given) => backend.delete(...given),
      put: async (...given) => {
        await new Promise((resolve) => setImmediate(resolve));
        const isKept = await backend.put(...given);
        steps.push("kept");
        return isKept;
      },
      close: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        steps.push("closed");
      },
    };
    const kept = checkpoints({ backend: slow });
    const registration = kept.register({ id: "a", save: () => utf8("state"), restore: () => undefined });
    const taken = kept.checkpoint("a");
    registration[Symbol.dispose]();
    await new Promise((resolve) => queueMicrotask(() => resolve(undefined)));
    const first = kept.close();
    await kept.close();
    expect(steps).toEqual(["kept", "closed"]);
    await Promise.all([first, taken]);
  });

  it("are refused once closed, and where options make no sense", async () => {
    const own = setting();
    await own.kept.close();
    await expect(own.kept.checkpoint("counter")).rejects.toMatchObject({ code: "CHECKPOINT_CLOSED" });
    for (const wrong of [
      { keep: 1 },
      { keep: 2.5 },
      { limitBytes: -1 },
      { queueLimit: 0 },
      { componentLimit: Number.NaN },
      { backend: {} as never },
      { keeps: 3 } as never,
    ])
      expect(() => setting(wrong)).toThrow(/CHECKPOINT_OPTION/);
    await expect(setting().kept.checkpoint("nobody")).rejects.toMatchObject({ code: "CHECKPOINT_UNKNOWN" });
  });
});

describe("what checkpoints cost", () => {
  /** Work of 1,000 ms and a checkpoint of 30 ms, ten times. */
  async function measured(isTimed: boolean) {
    const clock = new VirtualClock();
    const own = setting({ clock });
    own.component.save = () => {
      clock.advanceSync(30);
      return utf8("state");
    };
    for (let cycle = 0; cycle < 10; cycle++) {
      if (isTimed) own.kept.timeWork(() => clock.advanceSync(1_000));
      clock.advanceSync(isTimed ? 500 : 1_000);
      await own.kept.checkpoint("counter");
    }
    return own.kept.statistics();
  }

  it("R12: is measured against the work that was timed", async () => {
    const { checkpointMs, workMs, overheadRatio, bytesWritten } = await measured(true);
    expect([checkpointMs, workMs, overheadRatio, bytesWritten]).toEqual([300, 10_000, 0.03, 10 * (192 + 5)]);
  });

  it("R12: is measured against all other time where no work was timed", async () => {
    expect(await measured(false)).toMatchObject({ checkpointMs: 300, workMs: 10_000, overheadRatio: 0.03 });
  });

  it("R12: counts no instant twice where work goes on beside a checkpoint", async () => {
    const clock = new VirtualClock();
    const own = setting({ clock });
    const saved = Promise.withResolvers<Uint8Array>();
    own.component.save = () => saved.promise;
    const work = Promise.withResolvers<string>();
    const done = own.kept.timeWork(() => work.promise);
    await clock.advance(100);
    const checkpoint = own.kept.checkpoint("counter");
    await clock.advance(40);
    saved.resolve(utf8("state"));
    await checkpoint;
    await clock.advance(60);
    work.resolve("done");
    expect(await done).toBe("done");
    expect(own.kept.statistics()).toMatchObject({ checkpointMs: 40, workMs: 160, overheadRatio: 0.25 });
  });
});

it("R10: no two envelopes of one state are the same bytes", async () => {
  const backend = memoryCheckpoints();
  await save(setting({ backend, clock: new VirtualClock() }), "same");
  const one = await backend.get("counter", 1, { limitBytes: 1_000 });
  const again = memoryCheckpoints();
  await save(setting({ backend: again, clock: new VirtualClock() }), "same");
  expect(hexOf(one!)).not.toBe(hexOf((await again.get("counter", 1, { limitBytes: 1_000 }))!));
});

async function newest({ kept }: Setting): Promise<number> {
  return (await kept.list("counter")).at(-1) ?? 0;
}
