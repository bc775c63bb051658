import { readdirSync, utimesSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { utf8, VirtualClock } from "../../base/index.ts";
import { checkpoints } from "./index.ts";
import { type S3CheckpointsOptions, s3Checkpoints } from "./s3.ts";
import { type S3Server, s3Credentials, startS3 } from "./testing/servers.ts";
import { textComponent } from "./testing/text-component.ts";

const example = {
  endpoint: "https://s3.amazonaws.com",
  bucket: "examplebucket",
  addressing: "host",
  credentials: { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" },
  clock: new VirtualClock({ nowMs: Date.UTC(2013, 4, 24) }),
} as const;

describe("requests to S3", () => {
  it("R11: are signed as AWS publishes it for its example of a listing", async () => {
    const { sendS3 } = await import("./s3-request.ts");
    let seen: Request | undefined;
    const fetch: typeof globalThis.fetch = async (input, init) => {
      seen = new Request(input, init);
      return new Response("");
    };
    const { endpoint, credentials, ...place } = example;
    await sendS3(
      {
        ...place,
        endpoint: new URL(endpoint),
        credentials: () => credentials,
        region: "us-east-1",
        timeoutMs: 1_000,
        fetch,
      },
      { method: "GET", key: "", query: { "max-keys": "2", prefix: "J" }, limitBytes: 10 },
    );
    expect(seen?.url).toBe("https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J");
    expect(seen?.headers.get("authorization")).toBe(
      "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, " +
        "SignedHeaders=host;x-amz-content-sha256;x-amz-date, " +
        "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
    );
  });

  it("R11: go nowhere else, and options that make no sense are refused", () => {
    for (const wrong of [
      { prefix: "a b" },
      { prefix: "../" },
      { prefix: "a/./" },
      { bucket: "Not_A_Bucket" },
      { endpoint: "ftp://host" },
      { endpoint: "host" },
      { pageSize: 0 },
    ] as const)
      expect(() => s3Checkpoints({ ...example, ...wrong })).toThrow(/CHECKPOINT_OPTION/);
  });
});

describe("a server that creates conditionally", () => {
  let server: S3Server;
  let places = 0;
  beforeAll(async () => {
    server = await startS3({ conditional: true });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const placeOf = (options: Partial<S3CheckpointsOptions> = {}) => {
    const { endpoint, bucket } = server;
    return s3Checkpoints({ endpoint, bucket, prefix: `p${places++}/`, credentials: s3Credentials, ...options });
  };

  it("R11: lets one of two writers win, and both in the end", async () => {
    const prefix = "two/";
    const writers = [0, 1].map(() => {
      const kept = checkpoints({ backend: placeOf({ prefix }), keep: 2 });
      kept.register(textComponent("counter"));
      return kept;
    });
    for (let version = 0; version < 6; version++) {
      const outcomes = await Promise.allSettled(
        writers.map((kept) => kept.checkpoint("counter", { expectedVersion: version })),
      );
      expect(outcomes.filter(({ status }) => status === "fulfilled").length).toBe(1);
      expect(outcomes.find((outcome) => outcome.status === "rejected")?.reason).toMatchObject({
        code: "CHECKPOINT_CONFLICT",
      });
    }
    const both = await Promise.all(writers.map((kept) => kept.checkpoint("counter")));
    expect(both.map(({ version }) => version).sort()).toEqual([7, 8]);
    expect(await writers[0]!.list("counter")).toEqual([7, 8]);
  });

  it("R11: is tried out once, and asked page by page", async () => {
    const backend = placeOf({ prefix: "pages/", pageSize: 4 });
    for (let version = 1; version <= 10; version++) await backend.put("a", version, utf8("state"));
    const before = server.log.length;
    expect((await backend.list("a")).versions.length).toBe(10);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const pages = server.log
      .slice(before)
      .filter((line) => line.startsWith("GET /states?") && line.includes("max-keys=4"));
    expect(pages.length).toBe(3);
    expect(server.log.filter((line) => line.includes("/pages/.conditional-create")).length).toBe(2);
  });

  it("R11: refuses a wrong signature", async () => {
    const credentials = { ...s3Credentials, secretAccessKey: "WRONG" };
    const denied = { code: "CHECKPOINT_DENIED", retryable: false };
    await expect(placeOf({ credentials }).put("a", 1, utf8("state"))).rejects.toMatchObject(denied);
    await expect(placeOf({ credentials }).list("a")).rejects.toMatchObject(denied);
    await expect(placeOf({ bucket: "elsewhere" }).list("a")).rejects.toMatchObject({
      code: "CHECKPOINT_BACKEND_FAILED",
      message: expect.stringContaining("NoSuchBucket"),
    });
  });

  it("R11: keeps the place of a removed version for an hour, so that a late put does not bring it back", async () => {
    const backend = placeOf({ prefix: "removed/" });
    for (const version of [1, 2, 3]) await backend.put("a", version, utf8("state"));
    for (const version of [3, 1]) await backend.delete("a", version);
    expect(await backend.list("a")).toEqual({ versions: [2], next: 4 });
    for (const version of [1, 3]) expect(await backend.put("a", version, utf8("late"))).toBe(false);
    ageBy(server, "0000000000000001.checkpoint", 3_700);
    const before = server.log.length;
    await backend.delete("a", 2);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const removed = server.log.slice(before).filter((line) => line.startsWith("DELETE"));
    expect(removed).toEqual(["DELETE /states/removed/a/0000000000000001.checkpoint 204"]);
    expect(await backend.list("a")).toEqual({ versions: [], next: 4 });
  });
});

describe("a server that does not", () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3({ conditional: false });
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it("R11: is found out and refused, unless there is one writer only", async () => {
    const { endpoint, bucket } = server;
    const options = { endpoint, bucket, credentials: s3Credentials };
    await expect(s3Checkpoints(options).put("a", 1, utf8("state"))).rejects.toMatchObject({
      code: "CHECKPOINT_UNSUPPORTED",
    });
    const single = s3Checkpoints({ ...options, conditionalCreate: "single-writer" });
    expect(await single.list("a")).toEqual({ versions: [], next: 1 });
    expect(await single.put("a", 1, utf8("state"))).toBe(true);
    expect(await single.put("a", 1, utf8("other"))).toBe(false);
    expect(await single.get("a", 1, { limitBytes: 100 })).toEqual(Buffer.from("state"));
  });
});

describe("a server that fails", () => {
  /** What a put, a get and a list come to, by code. */
  async function outcomes(answer: RequestListener, options: Partial<S3CheckpointsOptions> = {}): Promise<string[]> {
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const backend = s3Checkpoints({ endpoint, bucket: "states", credentials: s3Credentials, ...options });
    const codeOf = (error: { code?: string }): string => `${error.code}`;
    const calls = [backend.put("a", 1, utf8("s")), backend.get("a", 1, { limitBytes: 9 }), backend.list("a")];
    const found = await Promise.all(calls.map((call) => call.then(() => "done", codeOf)));
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    return found;
  }
  const isObject = (url: string | undefined): boolean => url?.includes("/a/") === true;
  /** Creates conditionally, and then gives these answers. */
  const answering =
    (status: number, body = ""): RequestListener =>
    (request, response) => {
      request.resume();
      const isTrial = request.url?.includes(".conditional-create") === true;
      response.writeHead(isTrial ? 412 : status).end(body);
    };

  it("R11: is told apart by what it may have done", async () => {
    const failed = "CHECKPOINT_BACKEND_FAILED";
    expect(await outcomes(answering(500))).toEqual(["CHECKPOINT_UNCERTAIN", failed, failed]);
    expect(await outcomes(answering(503))).toEqual([failed, failed, failed]);
    expect(await outcomes(answering(403))).toEqual(Array(3).fill("CHECKPOINT_DENIED"));
    expect(await outcomes(answering(307))).toEqual([failed, failed, failed]);
  });

  it("R11: is believed no list that is not whole, and no body that is too long", async () => {
    const cut = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>checkpoints/a/";
    expect((await outcomes(answering(200, cut)))[2]).toBe("CHECKPOINT_BACKEND_FAILED");
    expect((await outcomes(answering(200, "not XML at all")))[2]).toBe("CHECKPOINT_BACKEND_FAILED");
    expect((await outcomes(answering(200, "x".repeat(5_000_000))))[1]).toBe("CHECKPOINT_UNREADABLE");
    const endless =
      "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    expect((await outcomes(answering(200, endless)))[2]).toBe("CHECKPOINT_BACKEND_FAILED");
  });

  it("R11: is waited for no longer than allowed", async () => {
    const silent: RequestListener = (request, response) => {
      if (!isObject(request.url) && request.method === "PUT") response.writeHead(412).end();
    };
    expect(await outcomes(silent, { timeoutMs: 80 })).toEqual([
      "CHECKPOINT_UNCERTAIN",
      "CHECKPOINT_TIMEOUT",
      "CHECKPOINT_TIMEOUT",
    ]);
    const dropping: RequestListener = (request) => void request.socket.destroy();
    expect((await outcomes(dropping))[2]).toBe("CHECKPOINT_BACKEND_FAILED");
  });
});

/** The files of s3rver that are named so look older. */
function ageBy(server: S3Server, name: string, seconds: number): void {
  for (const path of readdirSync(server.folder, { recursive: true, encoding: "utf8" })) {
    if (!path.includes(name)) continue;
    const then = new Date(Date.now() - seconds * 1_000);
    utimesSync(join(server.folder, path), then, then);
  }
}
