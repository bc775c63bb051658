/**
 * The frame: what a log is made of, whichever way it is written down.
 *
 * Every file begins with a FILE frame and goes on with frames that each link to the one before, across files too. A
 * frame knows its file, its place in it, the file's epoch, and what was durable when it was written. So a frame that is
 * stale, moved or of another log is never taken for a live one, and a torn tail can be told from damage.
 */

export const entryType = { begin: 1, data: 2, commit: 3, abort: 4, file: 5, records: 6, seal: 7 } as const;
export type EntryType = (typeof entryType)[keyof typeof entryType];

export const entryTypeNames: Readonly<Record<EntryType, string>> = {
  1: "begin",
  2: "data",
  3: "commit",
  4: "abort",
  5: "file",
  6: "records",
  7: "seal",
};

/** The largest payload of one frame, all entries of an atomic group together; larger things belong in files. */
export const payloadLimitBytes = 16 * 2 ** 20;

/** Far beyond what can be reached, and so far below what a number holds exactly that no sum comes near it. */
export const sequenceLimit = 2 ** 52;

export const noTransaction = new Uint8Array(16);

/** A frame as its writer hands it in. */
export interface FrameContent {
  readonly type: EntryType;
  /** 16 bytes; zeros where the frame belongs to no transaction. */
  readonly transactionId: Uint8Array;
  /** Of its first entry. FILE and SEAL frames hold none and name the number that comes next. */
  readonly sequence: number;
  /** One payload, or one for each entry of a RECORDS frame. */
  readonly payloads: readonly Uint8Array[];
  /** Since 1970. Binary frames hold it in nanoseconds. */
  readonly timestampMs: number;
}

/** Where a frame stands, and what it must carry to be live there. */
export interface FramePlace {
  readonly fileNumber: number;
  readonly epoch: bigint;
  readonly offset: number;
  /** Everything of this file before this offset was durable when the frame was written. */
  readonly syncedOffset: number;
  /** The checksum of the frame before. */
  readonly link: Uint8Array;
}

/** A frame read back, whose own checksums are right. Whether it is live is for its reader to say. */
export interface Frame extends FrameContent, FramePlace {
  readonly nextOffset: number;
  /** What the next frame must link to. */
  readonly ownLink: Uint8Array;
}

/** How many sequence numbers a frame takes. */
export function sequencesOf(frame: FrameContent): number {
  if (frame.type === entryType.file || frame.type === entryType.seal) return 0;
  return frame.type === entryType.records ? frame.payloads.length : 1;
}
