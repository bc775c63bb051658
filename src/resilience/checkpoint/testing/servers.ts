/** The real servers that tests run against: on the loopback, each with its data in a folder of its own. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export function hasRedis(): boolean {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

export interface RedisServer extends AsyncDisposable {
  readonly socket: string;
  /** Dies on the spot, and is started again on what it left. */
  killAndRestart(): Promise<void>;
}

/** On a socket in its folder. Every write is synced to its append-only file before it is answered. */
export async function startRedis(): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-redis-"));
  let running = await redisIn(folder);
  return {
    socket: join(folder, "s"),
    async killAndRestart() {
      await running.end("SIGKILL");
      running = await redisIn(folder);
    },
    async [Symbol.asyncDispose]() {
      await running.end("SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function redisIn(folder: string): Promise<{ end(signal: NodeJS.Signals): Promise<void> }> {
  const socket = join(folder, "s");
  const settings = ["--port", "0", "--unixsocket", socket, "--dir", folder, "--save", "", "--loglevel", "notice"];
  const child = spawn("redis-server", [...settings, "--appendonly", "yes", "--appendfsync", "always"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error(`redis-server ended: ${said}`)));
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (/ready to accept connections/i.test(said)) resolve();
    });
  });
  return {
    async end(signal) {
      child.kill(signal);
      await ended;
    },
  };
}

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
  readonly bucket: string;
  /** Where it keeps objects, as files. */
  readonly folder: string;
  /** Requests that were answered, as METHOD PATH STATUS. */
  readonly log: readonly string[];
}

export const s3Credentials = { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" };

/** s3rver in a process of its own, see s3-server-main.ts. */
export async function startS3(options: { readonly conditional: boolean }): Promise<S3Server> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-s3-"));
  const bucket = "states";
  const main = fileURLToPath(new URL("./s3-server-main.ts", import.meta.url));
  // Its continuation tokens are ciphered with DES, which OpenSSL keeps apart.
  const child = spawn(
    process.execPath,
    ["--openssl-legacy-provider", main, folder, bucket, options.conditional ? "conditional" : "plain"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const log: string[] = [];
  const endpoint = await new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", () => reject(new Error("the S3 server ended")));
    createInterface(child.stdout).on("line", (line) => {
      if (line.startsWith("listening ")) resolve(line.slice("listening ".length));
      else log.push(line);
    });
  });
  return {
    endpoint,
    bucket,
    folder,
    log,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
