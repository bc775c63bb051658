import { describe, expect, it } from "vitest";
import { HoldfastError } from "../../base/index.ts";
import { RunQueue } from "./run-queue.ts";

/** Work that ends when told to, and notes that it began. */
function steps() {
  const begun: { readonly end: (value: number) => void; readonly fail: (error: Error) => void; signal: AbortSignal }[] =
    [];
  const work = (signal: AbortSignal): Promise<number> => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    begun.push({ end: resolve, fail: reject, signal });
    return promise;
  };
  return { begun, work };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the queue of a component", () => {
  it("R10: lets calls that come during a run share the next one, however many", async () => {
    const { begun, work } = steps();
    const queue = new RunQueue<number>("a", 1);
    const first = queue.submit({ shareKey: "s", work });
    await turn();
    const later = Array.from({ length: 1_000 }, () => queue.submit({ shareKey: "s", work }));
    begun[0]!.end(1);
    expect(await first).toBe(1);
    await turn();
    expect(begun.length).toBe(2);
    begun[1]!.end(2);
    expect(new Set(await Promise.all(later))).toEqual(new Set([2]));
  });

  it("R10: goes on after a failure", async () => {
    const { begun, work } = steps();
    const queue = new RunQueue<number>("a", 4);
    const first = queue.submit({ shareKey: "s", work });
    await turn();
    const second = queue.submit({ shareKey: "s", work });
    begun[0]!.fail(new Error("no"));
    await expect(first).rejects.toThrow("no");
    await turn();
    begun[1]!.end(2);
    expect(await second).toBe(2);
  });

  it("R10: is bounded", async () => {
    const { begun, work } = steps();
    const queue = new RunQueue<number>("a", 2);
    const all = [0, 1, 2].map(async () => {
      await turn();
      return await queue.submit({ shareKey: undefined, work });
    });
    await turn();
    await turn();
    const running = begun.length;
    expect(running).toBe(1);
    await expect(queue.submit({ shareKey: undefined, work })).rejects.toMatchObject({ code: "CHECKPOINT_BUSY" });
    for (let place = 0; place < 3; place++) {
      begun[place]!.end(place);
      await turn();
    }
    expect((await Promise.all(all)).length).toBe(3);
  });

  it("R10: lets a caller go within the turn, and aborts a run that all have left", async () => {
    const { begun, work } = steps();
    const queue = new RunQueue<number>("a", 4);
    const [one, other] = [new AbortController(), new AbortController()];
    const first = queue.submit({ shareKey: "s", work, signal: one.signal }).catch((error: unknown) => error);
    const second = queue.submit({ shareKey: "s", work, signal: other.signal }).catch((error: unknown) => error);
    await turn();
    one.abort("one leaves");
    expect(await Promise.race([first, turn().then(() => "late")])).toBe("one leaves");
    expect(begun[0]!.signal.aborted).toBe(false);
    const next = queue.submit({ shareKey: "s", work });
    other.abort("other leaves");
    expect(await second).toBe("other leaves");
    expect(begun[0]!.signal.aborted).toBe(true);
    // The abandoned work never ends, and stops nothing.
    await turn();
    begun[1]!.end(5);
    expect(await next).toBe(5);
  });

  it("R10: never begins what all have left before", async () => {
    const { begun, work } = steps();
    const queue = new RunQueue<number>("a", 1);
    const first = queue.submit({ shareKey: undefined, work });
    await turn();
    const gone = new AbortController();
    const second = queue.submit({ shareKey: undefined, work, signal: gone.signal });
    gone.abort(new Error("gone"));
    await expect(second).rejects.toThrow("gone");
    // Its place in the queue is free again.
    const third = queue.submit({ shareKey: undefined, work });
    begun[0]!.end(1);
    await first;
    await turn();
    begun[1]!.end(3);
    expect(await third).toBe(3);
    expect(begun.length).toBe(2);
  });

  it("refuses what waits when it is closed", async () => {
    const { begun, work } = steps();
    const queue = new RunQueue<number>("a", 4);
    const first = queue.submit({ shareKey: undefined, work });
    await turn();
    const second = queue.submit({ shareKey: undefined, work }).catch((error: unknown) => error);
    const closed = queue.close(new HoldfastError("CHECKPOINT_CLOSED", "closed"));
    begun[0]!.end(1);
    await closed;
    expect(await first).toBe(1);
    expect(await second).toMatchObject({ code: "CHECKPOINT_CLOSED" });
  });
});
