/** Every backend against the same cases, on the real disk and real servers. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@redis/client";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { NodeDisk, SimDisk } from "../../disk/index.ts";
import { type ConformancePlace, checkpointBackendConformance } from "./conformance.ts";
import { localCheckpoints, memoryCheckpoints } from "./index.ts";
import { redisCheckpoints } from "./redis.ts";
import { s3Checkpoints } from "./s3.ts";
import { hasRedis, type RedisServer, type S3Server, s3Credentials, startRedis, startS3 } from "./testing/servers.ts";

const cases = checkpointBackendConformance();
let places = 0;

function conforms(placeOf: () => ConformancePlace): void {
  for (const { name, run } of cases) it(`R11: ${name}`, () => run(placeOf()));
}

describe("checkpoints in memory", () => {
  conforms(() => {
    const backend = memoryCheckpoints();
    return { open: () => backend };
  });
});

describe("checkpoints in files", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-checkpoints-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  conforms(() => {
    const own = join(folder, String(places++));
    return { open: () => localCheckpoints({ disk: new NodeDisk(), folder: own }) };
  });
});

describe("checkpoints in files of a simulated disk", () => {
  conforms(() => {
    const disk = new SimDisk();
    return { open: () => localCheckpoints({ disk, folder: "/checkpoints" }) };
  });
});

describe("checkpoints in S3", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3({ conditional: true });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  conforms(() => {
    const { endpoint, bucket } = server;
    const prefix = `test/${places++}/`;
    return { open: () => s3Checkpoints({ endpoint, bucket, prefix, credentials: s3Credentials, pageSize: 7 }) };
  });
});

const noRedis = hasRedis() ? "" : " (skipped: no redis-server here)";

describe.skipIf(noRedis !== "")(`checkpoints in Redis${noRedis}`, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  describe("by @redis/client", () => {
    const clientOf = () => createClient({ url: `unix://${server.socket}` });
    let client: ReturnType<typeof clientOf>;
    beforeAll(async () => {
      client = clientOf();
      await client.connect();
    });
    afterAll(() => client.close());
    conforms(() => {
      const prefix = `test:${places++}:`;
      return { open: () => redisCheckpoints({ client, prefix }) };
    });
  });

  describe("by ioredis", () => {
    let client: Redis;
    beforeAll(() => {
      client = new Redis(server.socket);
    });
    afterAll(() => client.quit());
    conforms(() => {
      const prefix = `test:${places++}:`;
      return { open: () => redisCheckpoints({ client, prefix }) };
    });
  });
});

it("has cases", () => expect(cases.length).toBeGreaterThan(10));
