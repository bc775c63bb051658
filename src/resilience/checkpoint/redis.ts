/**
 * Checkpoints in Redis or a server that speaks its protocol and runs its scripts (SPEC R11). An entry of its own:
 * nothing else of Holdfast imports it. The client is the caller's: `createClient()` of `redis` or `@redis/client` (from
 * 5 on), connected, or a `Redis` of `ioredis`; it is neither connected nor closed here.
 *
 * Three kinds of key for each component, held together on one node of a cluster by the braces:
 *
 *     PREFIX{ID}:next            the lowest version that was never used; stays when versions are removed
 *     PREFIX{ID}:versions        sorted set of the versions that are kept
 *     PREFIX{ID}:VERSION         the bytes
 *
 * Each operation is one script, so it happens whole or not at all and nobody sees it half done. How durable an
 * acknowledged checkpoint is, the server's settings say: with `appendfsync always` it is on the server's disk, with the
 * default `everysec` a power cut may take the last second, and a failover takes what was not replicated.
 */

import { type Clock, errorText, HoldfastError, systemClock } from "../../base/index.ts";
import {
  type BackendOptions,
  type CheckpointBackend,
  type GetOptions,
  hasCode,
  type StoredVersions,
  uncertain,
  unreadable,
} from "./backend.ts";
import { withDeadline } from "./deadline.ts";
import { timeoutOption } from "./options.ts";

/** What is used of `@redis/client`. */
export interface NodeRedisLike {
  withTypeMapping(mapping: { readonly 36: typeof Buffer }): {
    sendCommand(words: (string | Buffer)[]): Promise<unknown>;
  };
}

/** What is used of `ioredis`. */
export interface IoRedisLike {
  callBuffer(command: string, ...words: (string | Buffer)[]): Promise<unknown>;
}

export interface RedisCheckpointsOptions {
  readonly client: NodeRedisLike | IoRedisLike;
  /** 0 to 200 printable ASCII characters without braces. Default "holdfast:checkpoint:". */
  readonly prefix?: string | undefined;
  /** Of one command, default 10,000. No retries: put a policy around. */
  readonly timeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
}

const putScript = `
local next = redis.call('GET', KEYS[1])
if next and tonumber(ARGV[1]) < tonumber(next) then return 0 end
redis.call('SET', KEYS[3], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[1], ARGV[1])
redis.call('SET', KEYS[1], ARGV[2])
return 1`;
const getScript = `
local size = redis.call('STRLEN', KEYS[1])
if size > tonumber(ARGV[1]) then return size end
return redis.call('GET', KEYS[1])`;
const listScript = "return {redis.call('ZRANGE', KEYS[2], 0, -1), redis.call('GET', KEYS[1])}";
const deleteScript = `
redis.call('ZREM', KEYS[1], ARGV[1])
return redis.call('DEL', KEYS[2])`;

/** The server refused before it did anything. */
const refusals = /^(OOM|READONLY|NOAUTH|NOPERM|WRONGPASS|LOADING|MISCONF|CLUSTERDOWN|MASTERDOWN|BUSY|NOREPLICAS)\b/;

/** Throws CHECKPOINT_OPTION. */
export function redisCheckpoints(options: RedisCheckpointsOptions): CheckpointBackend {
  return new RedisCheckpoints(options);
}

class RedisCheckpoints implements CheckpointBackend {
  readonly name = "redis";
  readonly capabilities = { durability: "server", exclusive: false } as const;
  readonly #send: (words: (string | Buffer)[]) => Promise<unknown>;
  readonly #prefix: string;
  readonly #timeoutMs: number;
  readonly #clock: Clock;

  constructor(options: RedisCheckpointsOptions) {
    const { client, prefix = "holdfast:checkpoint:", timeoutMs = 10_000, clock = systemClock } = options;
    if (!/^[!-z|~]{0,200}$/.test(prefix))
      throw new HoldfastError("CHECKPOINT_OPTION", `${JSON.stringify(prefix.slice(0, 50))} cannot be a prefix`, {
        hint: "Use up to 200 printable ASCII characters without braces and spaces.",
      });
    this.#send = sender(client);
    this.#prefix = prefix;
    this.#timeoutMs = timeoutOption(timeoutMs);
    this.#clock = clock;
  }

  async put(id: string, version: number, bytes: Uint8Array, options: BackendOptions = {}): Promise<boolean> {
    const keys = [this.#key(id, "next"), this.#key(id, "versions"), this.#key(id, version)];
    const words = [String(version), String(version + 1), Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)];
    try {
      return (await this.#run(`put ${id}`, putScript, keys, words, options)) === 1;
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof Error && refusals.test(error.message)) throw failed(`put ${id}`, error);
      throw uncertain(id, version, errorText(error), error);
    }
  }

  async get(id: string, version: number, { limitBytes, signal }: GetOptions): Promise<Uint8Array | undefined> {
    const found = await this.#ask(`get ${id}`, getScript, [this.#key(id, version)], [String(limitBytes)], { signal });
    if (typeof found === "number") throw unreadable(id, version, `it has ${found} bytes, the limit is ${limitBytes}`);
    return found instanceof Uint8Array ? found : undefined;
  }

  async list(id: string, options: BackendOptions = {}): Promise<StoredVersions> {
    const keys = [this.#key(id, "next"), this.#key(id, "versions")];
    const found = await this.#ask(`list ${id}`, listScript, keys, [], options);
    if (!Array.isArray(found) || !Array.isArray(found[0]))
      throw new HoldfastError("CHECKPOINT_BACKEND_FAILED", `Redis listed ${id} in a form that was not asked for`);
    const next = found[1] === null || found[1] === undefined ? 1 : Number(String(found[1]));
    const versions = found[0].map((version) => Number(String(version)));
    if ([next, ...versions].every((one) => Number.isSafeInteger(one) && one > 0)) return { versions, next };
    throw new HoldfastError("CHECKPOINT_BACKEND_FAILED", `Redis keeps something else under the keys of ${id}`, {
      hint: "Use a prefix of its own for checkpoints.",
    });
  }

  async delete(id: string, version: number, options: BackendOptions = {}): Promise<void> {
    const keys = [this.#key(id, "versions"), this.#key(id, version)];
    await this.#ask(`delete ${id}`, deleteScript, keys, [String(version)], options);
  }

  #key(id: string, what: string | number): string {
    return `${this.#prefix}{${id}}:${what}`;
  }

  async #ask(
    what: string,
    script: string,
    keys: readonly string[],
    words: readonly (string | Buffer)[],
    options: BackendOptions,
  ): Promise<unknown> {
    try {
      return await this.#run(what, script, keys, words, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw hasCode(error, "CHECKPOINT_TIMEOUT") ? error : failed(what, error);
    }
  }

  async #run(
    what: string,
    script: string,
    keys: readonly string[],
    words: readonly (string | Buffer)[],
    { signal }: BackendOptions,
  ): Promise<unknown> {
    const deadline = { clock: this.#clock, timeoutMs: this.#timeoutMs, signal };
    return await withDeadline(`Redis, asked to ${what},`, deadline, () =>
      this.#send(["EVAL", script, String(keys.length), ...keys, ...words]),
    );
  }
}

/** Both kinds of client, with bytes for bytes: 36 is the protocol's sign for them. */
function sender(client: NodeRedisLike | IoRedisLike): (words: (string | Buffer)[]) => Promise<unknown> {
  if ("callBuffer" in client) {
    return ([command = "", ...words]) => client.callBuffer(String(command), ...words);
  }
  const own = client.withTypeMapping({ 36: Buffer });
  return (words) => own.sendCommand(words);
}

function failed(what: string, cause: unknown): HoldfastError {
  return new HoldfastError("CHECKPOINT_BACKEND_FAILED", `Redis could not ${what}: ${errorText(cause)}`, {
    cause,
    hint: "Check the connection and the server's log.",
    retryable: true,
  });
}
