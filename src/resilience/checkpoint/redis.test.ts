import { createClient } from "@redis/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8 } from "../../base/index.ts";
import { checkpoints } from "./index.ts";
import { redisCheckpoints } from "./redis.ts";
import { hasRedis, type RedisServer, startRedis } from "./testing/servers.ts";
import { textComponent } from "./testing/text-component.ts";

const noRedis = hasRedis() ? "" : " (skipped: no redis-server here)";

describe.skipIf(noRedis !== "")(`a Redis server${noRedis}`, () => {
  let server: RedisServer;
  let client: ReturnType<typeof clientOf>;
  const clientOf = () => {
    const made = createClient({ url: `unix://${server.socket}` });
    // A server that is killed on purpose is no news.
    made.on("error", () => undefined);
    return made;
  };
  beforeAll(async () => {
    server = await startRedis();
    client = clientOf();
    await client.connect();
  });
  afterAll(async () => {
    client.destroy();
    await server[Symbol.asyncDispose]();
  });

  it("R11: lets one of two writers on connections of their own win, and both in the end", async () => {
    const other = clientOf();
    await other.connect();
    const writers = [client, other].map((one) => {
      const kept = checkpoints({ backend: redisCheckpoints({ client: one }), keep: 2 });
      kept.register(textComponent("counter"));
      return kept;
    });
    for (let version = 0; version < 20; version++) {
      const outcomes = await Promise.allSettled(
        writers.map((kept) => kept.checkpoint("counter", { expectedVersion: version })),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(1);
    }
    const both = await Promise.all(writers.map((kept) => kept.checkpoint("counter")));
    expect(both.map(({ version }) => version).sort()).toEqual([21, 22]);
    expect(await writers[0]!.list("counter")).toEqual([21, 22]);
    await other.close();
  });

  it("R11: that is killed has all that it acknowledged, and goes on after it", async () => {
    const component = textComponent("killed");
    const kept = checkpoints({ backend: redisCheckpoints({ client }) });
    kept.register(component);
    for (let round = 1; round <= 3; round++) {
      component.text = `round ${round}`;
      expect((await kept.checkpoint("killed")).version).toBe(round);
      await server.killAndRestart();
      component.text = "";
      expect((await kept.restore("killed")).version).toBe(round);
      expect(component.text).toBe(`round ${round}`);
    }
  });

  it("R11: that refuses is told from one that does not answer", async () => {
    const backend = redisCheckpoints({ client, prefix: "full:" });
    await client.configSet("maxmemory", "1mb");
    await expect(backend.put("a", 1, new Uint8Array(4_000_000))).rejects.toMatchObject({
      code: "CHECKPOINT_BACKEND_FAILED",
      message: expect.stringContaining("OOM"),
      retryable: true,
    });
    await client.configSet("maxmemory", "0");
    expect(await backend.list("a")).toEqual({ versions: [], next: 1 });
    const never = { callBuffer: () => new Promise<unknown>(() => undefined) };
    const silent = redisCheckpoints({ client: never, timeoutMs: 30 });
    await expect(silent.list("a")).rejects.toMatchObject({ code: "CHECKPOINT_TIMEOUT" });
    await expect(silent.put("a", 1, utf8("state"))).rejects.toMatchObject({ code: "CHECKPOINT_UNCERTAIN" });
  });

  it("R11: keeps to the keys of its prefix", async () => {
    await redisCheckpoints({ client, prefix: "own:" }).put("a.b", 12, utf8("state"));
    expect((await client.keys("own:*")).sort()).toEqual(["own:{a.b}:12", "own:{a.b}:next", "own:{a.b}:versions"]);
    await client.zAdd("own:{odd}:versions", { score: 1, value: "not a number" });
    await expect(redisCheckpoints({ client, prefix: "own:" }).list("odd")).rejects.toMatchObject({
      code: "CHECKPOINT_BACKEND_FAILED",
    });
    for (const prefix of ["a{b", "a}b", "a b", "x".repeat(201)])
      expect(() => redisCheckpoints({ client, prefix })).toThrow(/CHECKPOINT_OPTION/);
  });
});
