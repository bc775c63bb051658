/**
 * Checkpoints as objects of a bucket, on AWS or any server that speaks S3 (SPEC R11). An entry of its own: nothing else
 * of Holdfast imports it, and it alone needs `aws4fetch`.
 *
 *     PREFIX ID / VERSION.checkpoint         version in 16 digits; empty where the version was removed
 *     PREFIX .conditional-create             asks the server whether it creates conditionally
 *
 * Of two writers of one version exactly one may win, so objects are created with `If-None-Match: *`. AWS, MinIO, R2 and
 * others refuse such a request where the object is there; older servers ignore the header and overwrite. Which of them
 * this is, is tried out before the first put, and a server that ignores it is refused with CHECKPOINT_UNSUPPORTED. With
 * `conditionalCreate: "single-writer"` it is used all the same: the object is then looked for before it is put, which
 * is right for one writer, and lets two that come at the same instant overwrite each other.
 *
 * A version that is removed leaves an empty object for an hour, so that a put that was long on its way, longer than any
 * server takes a signature for (15 minutes), does not bring it back. These are removed by a later `delete`.
 */

import { type Clock, errorText, HoldfastError, systemClock, untilAborted, utf8 } from "../../base/index.ts";
import {
  type BackendOptions,
  type CheckpointBackend,
  type GetOptions,
  type StoredVersions,
  uncertain,
  unreadable,
} from "./backend.ts";
import { timeoutOption } from "./options.ts";
import { type ListedObject, listObjects } from "./s3-listing.ts";
import { type S3Answer, type S3Credentials, type S3Place, s3Error, sendS3 } from "./s3-request.ts";

export type { S3Credentials } from "./s3-request.ts";

export interface S3CheckpointsOptions {
  /** For example "https://s3.eu-central-1.amazonaws.com". */
  readonly endpoint: string;
  readonly bucket: string;
  /** A function is asked before each request: it renews what expires. */
  readonly credentials: S3Credentials | (() => S3Credentials | Promise<S3Credentials>);
  /** Default "us-east-1". */
  readonly region?: string | undefined;
  /** 0 to 512 of letters, digits, "/", ".", "_", "-". Default "checkpoints/". */
  readonly prefix?: string | undefined;
  /** ENDPOINT/BUCKET/KEY, the default, or BUCKET.ENDPOINT/KEY. */
  readonly addressing?: "path" | "host" | undefined;
  readonly conditionalCreate?: "required" | "single-writer" | undefined;
  /** Of one request, default 30,000. No retries: put a policy around. */
  readonly timeoutMs?: number | undefined;
  /** Keys a page of a listing has, 1 to 1,000, the default. */
  readonly pageSize?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Default: the platform's. */
  readonly fetch?: typeof globalThis.fetch | undefined;
}

const tombstoneMs = 3_600_000;
const errorBytesLimit = 64 * 1024;
const refusedBeforeDone = new Set([429, 503]);

/** Throws CHECKPOINT_OPTION. */
export function s3Checkpoints(options: S3CheckpointsOptions): CheckpointBackend {
  return new S3Checkpoints(options);
}

class S3Checkpoints implements CheckpointBackend {
  readonly name = "s3";
  readonly capabilities = { durability: "server", exclusive: false } as const;
  readonly #place: S3Place;
  readonly #prefix: string;
  readonly #pageSize: number;
  readonly #conditionalCreate: "required" | "single-writer";
  #support: Promise<boolean> | undefined;

  constructor(options: S3CheckpointsOptions) {
    const { credentials, region = "us-east-1", addressing = "path", timeoutMs = 30_000 } = options;
    const { clock = systemClock, pageSize = 1_000, prefix = "checkpoints/" } = options;
    const isPrefix = /^[A-Za-z0-9/._-]{0,512}$/.test(prefix) && !/(^|\/)\.{1,2}(\/|$)/.test(prefix);
    refuseUnless(isPrefix, "prefix", prefix, 'letters, digits, "/", ".", "_" and "-", no part of it "." or ".."');
    refuseUnless(/^[a-z0-9][a-z0-9.-]{1,62}$/.test(options.bucket), "bucket", options.bucket, "a bucket's name");
    const isEndpoint = /^https?:\/\//.test(options.endpoint) && URL.canParse(options.endpoint);
    refuseUnless(isEndpoint, "endpoint", options.endpoint, "an http or https URL");
    const isPageSize = Number.isInteger(pageSize) && pageSize >= 1 && pageSize <= 1_000;
    refuseUnless(isPageSize, "pageSize", `${pageSize}`, "a whole number from 1 to 1,000");
    this.#prefix = prefix;
    this.#pageSize = pageSize;
    this.#conditionalCreate = options.conditionalCreate ?? "required";
    this.#place = {
      endpoint: new URL(options.endpoint),
      bucket: options.bucket,
      region,
      addressing,
      credentials: typeof credentials === "function" ? credentials : () => credentials,
      timeoutMs: timeoutOption(timeoutMs),
      clock,
      fetch: options.fetch ?? globalThis.fetch,
    };
  }

  async put(id: string, version: number, bytes: Uint8Array, options: BackendOptions = {}): Promise<boolean> {
    const { signal } = options;
    const isConditional = await this.#creates(signal);
    if (!isConditional && (await this.#isThere(id, version, signal))) return false;
    let answer: S3Answer;
    try {
      answer = await sendS3(this.#place, {
        method: "PUT",
        key: this.#keyOf(id, version),
        headers: isConditional ? { "If-None-Match": "*" } : {},
        body: bytes,
        limitBytes: errorBytesLimit,
        signal,
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw uncertain(id, version, HoldfastError.is(error) ? error.rawMessage : errorText(error), error);
    }
    if (answer.status === 200) return true;
    // 409: another request for this object is under way, and may yet win.
    if (answer.status === 412 || answer.status === 409) return false;
    const failure = s3Error(`put version ${version} of ${id}`, answer);
    if (answer.status < 500 || refusedBeforeDone.has(answer.status)) throw failure;
    throw uncertain(id, version, failure.rawMessage, failure);
  }

  async get(id: string, version: number, { limitBytes, signal }: GetOptions): Promise<Uint8Array | undefined> {
    const key = this.#keyOf(id, version);
    const answer = await sendS3(this.#place, { method: "GET", key, limitBytes, signal });
    if (answer.status === 404 || (answer.status === 200 && answer.body?.length === 0)) return undefined;
    if (answer.status !== 200) throw s3Error(`get version ${version} of ${id}`, answer);
    if (answer.body === undefined) throw unreadable(id, version, `it has more than the limit of ${limitBytes} bytes`);
    return answer.body;
  }

  async list(id: string, options: BackendOptions = {}): Promise<StoredVersions> {
    const objects = await this.#objectsOf(id, options.signal);
    const versions = objects.flatMap(({ version, sizeBytes }) => (sizeBytes === 0 ? [] : [version]));
    return { versions, next: (objects.at(-1)?.version ?? 0) + 1 };
  }

  async delete(id: string, version: number, options: BackendOptions = {}): Promise<void> {
    const { signal } = options;
    const objects = await this.#objectsOf(id, signal);
    const found = objects.find((one) => one.version === version);
    if (found !== undefined && found.sizeBytes > 0) {
      const [key, body] = [this.#keyOf(id, version), new Uint8Array(0)];
      const answer = await sendS3(this.#place, { method: "PUT", key, body, limitBytes: errorBytesLimit, signal });
      if (answer.status !== 200) throw s3Error(`remove version ${version} of ${id}`, answer);
    }
    await this.#removeOldTombstones(objects, signal);
  }

  /** The newest object stays, whatever it is: it says which version comes next. */
  async #removeOldTombstones(objects: readonly ListedObject[], signal: AbortSignal | undefined): Promise<void> {
    // By the server's clock alone: ours may be wrong.
    const newestMs = Math.max(0, ...objects.map(({ modifiedMs }) => modifiedMs));
    for (const { key, sizeBytes, modifiedMs } of objects.slice(0, -1)) {
      if (sizeBytes > 0 || !(newestMs - modifiedMs > tombstoneMs)) continue;
      const answer = await sendS3(this.#place, { method: "DELETE", key, limitBytes: errorBytesLimit, signal });
      if (answer.status !== 204 && answer.status !== 200 && answer.status !== 404)
        throw s3Error(`delete ${key}`, answer);
    }
  }

  async #objectsOf(
    id: string,
    signal: AbortSignal | undefined,
  ): Promise<(ListedObject & { readonly version: number })[]> {
    const prefix = `${this.#prefix}${id}/`;
    const objects = await listObjects(this.#place, { prefix, pageSize: this.#pageSize, signal });
    return objects
      .flatMap((object) => {
        const [, digits] = /^([0-9]{16})\.checkpoint$/.exec(object.key.slice(prefix.length)) ?? [];
        const version = Number(digits);
        return Number.isSafeInteger(version) ? [{ ...object, version }] : [];
      })
      .sort((a, b) => a.version - b.version);
  }

  #keyOf(id: string, version: number): string {
    return `${this.#prefix}${id}/${String(version).padStart(16, "0")}.checkpoint`;
  }

  async #isThere(id: string, version: number, signal: AbortSignal | undefined): Promise<boolean> {
    const key = this.#keyOf(id, version);
    const answer = await sendS3(this.#place, { method: "HEAD", key, limitBytes: errorBytesLimit, signal });
    if (answer.status !== 200 && answer.status !== 404) throw s3Error(`look for version ${version} of ${id}`, answer);
    return answer.status === 200;
  }

  /** Whether the server creates conditionally; found out once. */
  async #creates(signal: AbortSignal | undefined): Promise<boolean> {
    this.#support ??= this.#tryOut().catch((error: unknown) => {
      this.#support = undefined;
      throw error;
    });
    if (await untilAborted(this.#support, signal)) return true;
    if (this.#conditionalCreate === "single-writer") return false;
    throw new HoldfastError(
      "CHECKPOINT_UNSUPPORTED",
      `the server of ${this.#place.bucket} does not create objects conditionally (If-None-Match)`,
      { hint: 'Use a server that does, or conditionalCreate: "single-writer" where only one process writes.' },
    );
  }

  /** The object is there after the first request at the latest, so the second must be refused. */
  async #tryOut(): Promise<boolean> {
    for (let tries = 0; tries < 2; tries++) {
      const answer = await sendS3(this.#place, {
        method: "PUT",
        key: `${this.#prefix}.conditional-create`,
        headers: { "If-None-Match": "*" },
        body: utf8("holdfast"),
        limitBytes: errorBytesLimit,
      });
      if (answer.status === 412 || answer.status === 409) return true;
      if (answer.status === 501) return false;
      if (answer.status !== 200) throw s3Error("create an object", answer);
    }
    return false;
  }
}

function refuseUnless(isRight: boolean, name: string, value: string, wanted: string): void {
  if (isRight) return;
  throw new HoldfastError("CHECKPOINT_OPTION", `${name} is ${JSON.stringify(value.slice(0, 100))}`, {
    hint: `Give ${wanted}.`,
  });
}
