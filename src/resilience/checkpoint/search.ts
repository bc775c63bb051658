/** The newest checkpoint that is whole, and what was passed over on the way to it. */

import { HoldfastError } from "../../base/index.ts";
import { type CheckpointBackend, hasCode } from "./backend.ts";
import { type CheckpointInfo, headerBytes, type Reading, readEnvelope } from "./envelope.ts";

export interface PassedOver {
  readonly version: number;
  /** For people: "the CRC-32 of its header is wrong". */
  readonly reason: string;
}

export interface Found {
  readonly info: CheckpointInfo;
  readonly state: Uint8Array;
  /** Newer versions that are damaged, the newest first. */
  readonly fellBack: readonly PassedOver[];
}

export interface SearchOptions {
  readonly backend: CheckpointBackend;
  /** Of the state. */
  readonly limitBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** The newest good version. CHECKPOINT_NONE where there is none at all, CHECKPOINT_DAMAGED where none is good. */
export async function findNewest(id: string, options: SearchOptions): Promise<Found> {
  const { versions } = await options.backend.list(id, options);
  const fellBack: PassedOver[] = [];
  for (const version of versions.toReversed()) {
    const reading = await readVersion(id, version, options);
    if (reading?.verdict === "good") return { info: reading.info, state: reading.state, fellBack };
    // Somebody has pruned it meanwhile: it was not the newest then.
    if (reading === undefined) continue;
    fellBack.push({ version, reason: reasonOf(id, version, reading) });
  }
  if (fellBack.length === 0) throw noneError(id, "there is no checkpoint of it", versions);
  throw damagedError(id, fellBack);
}

/** Exactly this version: no other one is given in its place. */
export async function findVersion(id: string, version: number, options: SearchOptions): Promise<Found> {
  const reading = await readVersion(id, version, options);
  if (reading?.verdict === "good") return { info: reading.info, state: reading.state, fellBack: [] };
  if (reading !== undefined) throw damagedError(id, [{ version, reason: reasonOf(id, version, reading) }]);
  const { versions } = await options.backend.list(id, options);
  throw noneError(id, `version ${version} is not kept`, versions);
}

/** undefined where it is not there. */
export async function readVersion(id: string, version: number, options: SearchOptions): Promise<Reading | undefined> {
  const { backend, limitBytes, signal } = options;
  try {
    const bytes = await backend.get(id, version, { limitBytes: limitBytes + headerBytes, signal });
    return bytes === undefined ? undefined : readEnvelope(bytes, { id, version });
  } catch (error) {
    if (!hasCode(error, "CHECKPOINT_UNREADABLE")) throw error;
    return { verdict: "damaged", reason: error.rawMessage };
  }
}

/** A newer program wrote it: an older state in its place would undo that program's work without a word. */
function reasonOf(id: string, version: number, reading: Exclude<Reading, { readonly verdict: "good" }>): string {
  if (reading.verdict === "damaged") return reading.reason;
  throw new HoldfastError(
    "CHECKPOINT_FORMAT",
    `version ${version} of ${id} is written in format ${reading.format}, which this program does not know`,
    {
      hint: "Use the program that wrote it or a newer one, or restore an older version by its number.",
      details: { id, version, format: reading.format },
    },
  );
}

function noneError(id: string, why: string, versions: readonly number[]): HoldfastError {
  return new HoldfastError("CHECKPOINT_NONE", `cannot restore ${id}: ${why}`, {
    hint: versions.length === 0 ? "Take a checkpoint first." : `Versions that are kept: ${versions.join(", ")}.`,
    details: { id, versions },
  });
}

function damagedError(id: string, damaged: readonly PassedOver[]): HoldfastError {
  const list = damaged.map(({ version, reason }) => `version ${version}: ${reason}`);
  return new HoldfastError("CHECKPOINT_DAMAGED", `cannot restore ${id}: ${list.join("; ")}`, {
    hint: "Check the place where checkpoints are kept; verify(id) tells what is left.",
    details: { id, versions: damaged.map(({ version }) => version), reasons: damaged.map(({ reason }) => reason) },
  });
}
