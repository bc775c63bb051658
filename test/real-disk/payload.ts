/**
 * Payloads that carry their own proof: a name, and filler that follows from the name, so that one that is torn, mixed
 * or made up is seen for what it is, whoever reads it.
 *
 *     r3/a1/17/0/1/400      run 3, appender a1, its 17th write, entry 0 of 1, 400 bytes in all (at least)
 */
import { bytesEqual, fnv1a64, seededRandom, utf8, utf8Text } from "../../src/base/index.ts";

export interface PayloadName {
  readonly run: number;
  readonly writer: string;
  readonly write: number;
  /** An atomic write has `of` entries; this is number `entry` of them, from 0. */
  readonly entry: number;
  readonly of: number;
  readonly bytes: number;
}

export function payloadOf(name: PayloadName): Uint8Array {
  const text = `r${name.run}/${name.writer}/${name.write}/${name.entry}/${name.of}/${name.bytes}`;
  const head = utf8(`${text}\n`);
  const payload = new Uint8Array(Math.max(name.bytes, head.length));
  payload.set(head);
  const random = seededRandom(Number(fnv1a64(head) & 0xffffffffn));
  for (let place = head.length; place < payload.length; place++) payload[place] = Math.floor(random() * 256);
  return payload;
}

/** undefined where these bytes are not a payload, whole and unchanged. */
export function nameOf(payload: Uint8Array): PayloadName | undefined {
  const end = payload.indexOf(0x0a);
  const match = /^r(\d+)\/(\w+)\/(\d+)\/(\d+)\/(\d+)\/(\d+)$/.exec(utf8Text(payload.subarray(0, Math.max(0, end))));
  if (match === null) return undefined;
  const [, run, writer, ...numbers] = match;
  const [write, entry, of, bytes] = numbers.map(Number);
  const name = { run: Number(run), writer: writer!, write: write!, entry: entry!, of: of!, bytes: bytes! };
  return bytesEqual(payloadOf(name), payload) ? name : undefined;
}

/** Of a whole atomic write, for all of its entries. */
export function writeKey({ run, writer, write }: Pick<PayloadName, "run" | "writer" | "write">): string {
  return `r${run}/${writer}/${write}`;
}
