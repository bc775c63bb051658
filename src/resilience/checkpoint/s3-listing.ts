/** The keys of a bucket under a prefix, page by page, as ListObjectsV2 gives them. */

import { HoldfastError, utf8Text } from "../../base/index.ts";
import { type S3Place, s3Error, sendS3 } from "./s3-request.ts";

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970, by the server's clock. */
  readonly modifiedMs: number;
}

export interface ListingOptions {
  readonly prefix: string;
  readonly pageSize: number;
  readonly signal?: AbortSignal | undefined;
}

const pagesLimit = 1_000;
/** 1,000 keys of 1,024 letters with all that stands around them come to less. */
const pageBytesLimit = 4 * 1024 * 1024;

export async function listObjects(
  place: S3Place,
  { prefix, pageSize, signal }: ListingOptions,
): Promise<ListedObject[]> {
  const found: ListedObject[] = [];
  let token: string | undefined;
  for (let pages = 0; pages < pagesLimit; pages++) {
    const answer = await sendS3(place, {
      method: "GET",
      key: "",
      query: {
        "list-type": "2",
        prefix,
        "max-keys": String(pageSize),
        ...(token === undefined ? {} : { "continuation-token": token }),
      },
      limitBytes: pageBytesLimit,
      signal,
    });
    if (answer.status !== 200) throw s3Error(`list ${prefix}`, answer);
    const page = parsePage(answer.body === undefined ? "" : utf8Text(answer.body));
    if (page === undefined) throw unreadablePage(prefix);
    found.push(...page.objects);
    if (page.token === undefined) return found;
    token = page.token;
  }
  throw new HoldfastError("CHECKPOINT_BACKEND_FAILED", `S3 lists more than ${pagesLimit} pages under ${prefix}`, {
    hint: "Use a prefix of its own for checkpoints.",
  });
}

/** undefined where it is no whole answer: half a list would look like versions that are gone. */
function parsePage(xml: string): { readonly objects: ListedObject[]; readonly token: string | undefined } | undefined {
  if (!/<\/ListBucketResult>\s*$/.test(xml)) return undefined;
  const objects: ListedObject[] = [];
  for (const [, content] of xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)) {
    const key = textOf(content!, "Key");
    const sizeBytes = Number(textOf(content!, "Size") ?? Number.NaN);
    const modifiedMs = Date.parse(textOf(content!, "LastModified") ?? "");
    if (key === undefined || !Number.isSafeInteger(sizeBytes)) return undefined;
    objects.push({ key, sizeBytes, modifiedMs });
  }
  if (textOf(xml, "IsTruncated") !== "true") return { objects, token: undefined };
  const token = textOf(xml, "NextContinuationToken");
  return token === undefined ? undefined : { objects, token };
}

function textOf(xml: string, tag: string): string | undefined {
  const [, text] = new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml) ?? [];
  return text === undefined ? undefined : unescaped(text);
}

const entities: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]{2,4}));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return entities[name] ?? whole;
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

function unreadablePage(prefix: string): HoldfastError {
  return new HoldfastError("CHECKPOINT_BACKEND_FAILED", `S3 listed ${prefix} in a form that was not asked for`, {
    hint: "Check that the endpoint is an S3 server.",
    retryable: true,
  });
}
