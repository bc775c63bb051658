/**
 * One signed request to an S3 server, with a limit on its time and on the size of its answer. No retries here: a policy
 * put around a checkpoint decides on those. Redirects are not followed, for they would take a signature elsewhere.
 */

import { createHash } from "node:crypto";
import { AwsV4Signer } from "aws4fetch";
import { type Clock, HoldfastError, utf8Text } from "../../base/index.ts";
import { withDeadline } from "./deadline.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Place {
  /** For example "https://s3.eu-central-1.amazonaws.com" or "http://127.0.0.1:9000". */
  readonly endpoint: URL;
  readonly bucket: string;
  readonly region: string;
  /** "path": ENDPOINT/BUCKET/KEY; "host": BUCKET.ENDPOINT/KEY. */
  readonly addressing: "path" | "host";
  readonly credentials: () => S3Credentials | Promise<S3Credentials>;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly fetch: typeof globalThis.fetch;
}

export interface S3Request {
  readonly method: "GET" | "HEAD" | "PUT" | "DELETE";
  /** "" for the bucket itself. Of letters that need no escape. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Of the answer's body; where it has more, `body` is undefined. */
  readonly limitBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface S3Answer {
  readonly status: number;
  readonly body: Uint8Array | undefined;
}

/** Rejects where there was no answer: CHECKPOINT_TIMEOUT, the signal's reason, or CHECKPOINT_BACKEND_FAILED. */
export async function sendS3(place: S3Place, request: S3Request): Promise<S3Answer> {
  const what = `${request.method} ${place.bucket}/${request.key}`;
  const { clock, timeoutMs } = place;
  return await withDeadline(what, { clock, timeoutMs, signal: request.signal }, async (signal) => {
    const { url, headers } = await signed(place, request, await place.credentials());
    try {
      const response = await place.fetch(url, {
        method: request.method,
        headers,
        signal,
        redirect: "manual",
        ...(request.body === undefined ? {} : { body: request.body as Uint8Array<ArrayBuffer> }),
      });
      return { status: response.status, body: await bodyOf(response, request.limitBytes) };
    } catch (cause) {
      signal.throwIfAborted();
      throw new HoldfastError("CHECKPOINT_BACKEND_FAILED", `${what} had no answer: ${causeText(cause)}`, {
        cause,
        hint: "Check the endpoint and the network.",
        retryable: true,
      });
    }
  });
}

async function signed(
  place: S3Place,
  { method, key, query = {}, headers = {}, body }: S3Request,
  credentials: S3Credentials,
): Promise<{ readonly url: string; readonly headers: Headers }> {
  const url = new URL(place.endpoint);
  const base = url.pathname.replace(/\/$/, "");
  if (place.addressing === "host") url.hostname = `${place.bucket}.${url.hostname}`;
  url.pathname =
    place.addressing === "host" ? `${base}/${key}` : `${base}/${place.bucket}${key === "" ? "" : `/${key}`}`;
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const sha256 = createHash("sha256")
    .update(body ?? new Uint8Array(0))
    .digest("hex");
  const result = await new AwsV4Signer({
    ...credentials,
    method,
    url: url.href,
    headers: { ...headers, "X-Amz-Content-Sha256": sha256 },
    service: "s3",
    region: place.region,
    datetime: new Date(place.clock.nowMs()).toISOString().replaceAll(/[:-]|\.\d{3}/g, ""),
  }).sign();
  return { url: result.url.href, headers: result.headers };
}

async function bodyOf(response: Response, limitBytes: number): Promise<Uint8Array | undefined> {
  const parts: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const part of response.body ?? []) {
    sizeBytes += part.length;
    if (sizeBytes > limitBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** What the server said, as an error: its code and message stand in the body. */
export function s3Error(what: string, { status, body }: S3Answer): HoldfastError {
  const text = body === undefined ? "" : utf8Text(body);
  const [code, message] = ["Code", "Message"].map(
    (tag) => new RegExp(`<${tag}>([^<]{1,300})</${tag}>`).exec(text)?.[1],
  );
  const said = [code, message].filter((part) => part !== undefined).join(": ");
  const isDenied = status === 401 || status === 403;
  const isElsewhere = status >= 300 && status < 400;
  return new HoldfastError(
    isDenied ? "CHECKPOINT_DENIED" : "CHECKPOINT_BACKEND_FAILED",
    `S3 could not ${what}: ${status}${said === "" ? "" : ` ${said}`}`,
    {
      hint: isDenied
        ? "Check the credentials, the clock and the bucket's policy."
        : isElsewhere
          ? "Check the region and the endpoint: the bucket is elsewhere."
          : "Check the endpoint, the bucket and the server's log.",
      retryable: status === 429 || status >= 500,
      details: { status, code: code ?? "" },
    },
  );
}

function causeText(cause: unknown): string {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  return inner instanceof Error ? inner.message : String(inner);
}
