/** What the two ways of writing a log down have in common. Recovery knows a log only through this. */

import { HoldfastError } from "../base/index.ts";
import type { FileReader } from "./file-reader.ts";
import type { Frame, FrameContent, FramePlace } from "./frame.ts";

export type WalFormatName = "binary" | "json";

/** Frames that are written, and made durable, together. */
export interface FrameGroup {
  readonly byteLength: number;
  readonly frames: number;
  /** Takes the frame over; the payloads are copied. Appends that stand side by side may come to share a frame. */
  add(content: FrameContent): void;
  /** Takes an entry into the frame that stands last, which tells its time; false where it needs a frame of its own. */
  extend(sequence: number, payload: Uint8Array): boolean;
  /** Lays the frames out one after the other from `place` on. The bytes are valid until `clear`. */
  finish(place: FramePlace): { readonly bytes: Uint8Array; readonly nextOffset: number; readonly link: Uint8Array };
  /** Empties the group for its next use. */
  clear(): void;
}

export interface WalFormat {
  readonly name: WalFormatName;
  /** With the dot. */
  readonly extension: string;
  /** Frames begin only on multiples of this. */
  readonly alignmentBytes: number;
  /** Whether a file may end in zeros or stale frames, so that later writes change no metadata. */
  readonly preallocates: boolean;
  /** What the first frame of a log links to. */
  readonly firstLink: Uint8Array;
  newGroup(): FrameGroup;
  /** The frame at `offset` if its own checksums are right and it says that it stands there; else undefined. */
  frameAt(reader: FileReader, offset: number): Promise<Frame | undefined>;
  /** Whether what stands here looks like a frame of this very file, though it may be damaged. */
  resembles(
    reader: FileReader,
    offset: number,
    file: { readonly fileNumber: number; readonly epoch: bigint },
  ): Promise<boolean>;
  /** The next place after `offset` at which a frame may begin, or undefined at the end of the file. */
  nextPlace(reader: FileReader, offset: number): Promise<number | undefined>;
}

export function versionError(found: number | string, supported: number): HoldfastError {
  return new HoldfastError("WAL_VERSION", `the log has format version ${found}; this program reads ${supported}`, {
    hint: "Open it with the version of Holdfast that wrote it.",
    details: { version: found, supported },
  });
}
