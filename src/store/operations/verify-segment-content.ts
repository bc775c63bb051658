/**
 * Checks one segment beyond what it says of itself: what stands in its entries, where their handles lead, and whether
 * its other sections follow from them.
 */

import { join } from "node:path";
import { errorText, hexOf } from "../../base/index.ts";
import type { Disk } from "../../disk/index.ts";
import { decodeHandle } from "../content/index.ts";
import { decodeLost, lostValueName } from "../damage/lost-codec.ts";
import { type Entry, entryKind } from "../entry.ts";
import { ItemRecord } from "../item/record.ts";
import { compareKeys } from "../key.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";
import { BlockCache } from "../segment/block-cache.ts";
import type { SegmentDamage } from "../segment/damage.ts";
import { openSegment, type Segment } from "../segment/segment.ts";
import { verifySegment } from "../segment/verify.ts";
import type { ContentRows } from "./content-rows.ts";
import { advice, type Findings } from "./findings.ts";
import { entryFault } from "./record-check.ts";
import { isSectionDamage, type SectionCheck, type SectionChecks } from "./section-check.ts";

export interface SegmentCheckOptions {
  readonly disk: Disk;
  readonly folder: string;
  readonly state: ManifestState;
  readonly file: ManifestFile;
  readonly contents: ContentRows;
  readonly sections: readonly SectionChecks[];
  readonly signal: AbortSignal | undefined;
}

/** The entries that could be read. */
export async function checkSegment(options: SegmentCheckOptions, findings: Findings): Promise<number> {
  const { disk, folder, state, file } = options;
  const path = join(folder, fileName(file));
  const about = { severity: "loss", part: "segment", path, advice: advice.salvage } as const;
  const lost = noteKnownLoss(state, file, path, findings);
  let segment: Segment;
  try {
    const cache = new BlockCache({ limitBytes: 0 });
    const { sizeBytes, checksum } = file;
    const expected = { sizeBytes, checksum };
    segment = await openSegment({ disk, folder, name: fileName(file), fileId: file.id, cache, expected });
  } catch (error) {
    findings.addError(error, about);
    return 0;
  }
  try {
    const { entries, damages } = await verifySegment(segment, signalled(options));
    for (const damage of damages) findings.add({ ...about, ...placeOf(damage) });
    if (!lost && !isAsNamed(segment, file))
      findings.add({ ...about, reason: "it is described in the manifest as another one is", advice: advice.report });
    // What the damaged blocks held is missing: nothing more can be said of it.
    if (damages.length === 0) await checkEntries(segment, options, findings);
    return entries;
  } catch (error) {
    findings.addError(error, about);
    return 0;
  } finally {
    await segment.close();
  }
}

function noteKnownLoss(state: ManifestState, file: ManifestFile, path: string, findings: Findings): boolean {
  try {
    const { runs } = decodeLost(state.values.get(lostValueName(file.id)));
    for (const run of runs)
      findings.add({
        severity: "known",
        part: "entry",
        path: run.path,
        offset: run.offset,
        reason: `what stood from key ${hexOf(run.from)} up to ${hexOf(run.to)} was lost`,
        advice: advice.accept,
      });
    return runs.length > 0;
  } catch (error) {
    findings.addError(error, { severity: "loss", part: "manifest", path, advice: advice.restore });
    return true;
  }
}

function placeOf({ offset, section, reason, path }: SegmentDamage) {
  return { path, offset, reason: `${section}: ${reason}` };
}

function signalled({ signal }: SegmentCheckOptions): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

function isAsNamed({ properties }: Segment, file: ManifestFile): boolean {
  const { entries, tombstones, smallestSequence, largestSequence, smallestKey, largestKey } = properties;
  const isSameCount = entries === file.entries && tombstones === file.tombstones;
  // Wider bounds are those of what was lost of its inputs, and stay when the loss was accepted.
  const isInRange = smallestSequence >= file.smallestSequence && largestSequence <= file.largestSequence;
  const isInKeys = compareKeys(smallestKey, file.smallestKey) >= 0 && compareKeys(largestKey, file.largestKey) <= 0;
  return isSameCount && isInRange && isInKeys;
}

async function checkEntries(segment: Segment, options: SegmentCheckOptions, findings: Findings): Promise<void> {
  const { path } = segment;
  const checks = await sectionChecks(segment, options, findings);
  const cursor = segment.cursor({ signal: options.signal });
  try {
    for (await cursor.advance(); cursor.valid; await cursor.advance()) {
      const entry = cursor.entry();
      for (const check of checks.values()) check.see(entry);
      const fault = entryFault(entry);
      if (fault !== undefined)
        findings.add({ ...entryFinding(path, entry, fault), part: "entry", advice: advice.report });
      else {
        const finding = handleFinding(path, entry, options.contents);
        // Contents of versions that a newer segment hides are freed before a merge takes the versions themselves.
        if (finding !== undefined && !(await isHidden(entry, options))) findings.add(finding);
      }
    }
  } finally {
    cursor.close();
  }
  for (const [type, check] of checks) {
    const fault = check.end();
    if (fault !== undefined) findings.add(sectionFinding(path, type, fault));
  }
}

async function sectionChecks(
  segment: Segment,
  { sections }: SegmentCheckOptions,
  findings: Findings,
): Promise<Map<number, SectionCheck>> {
  const checks = new Map<number, SectionCheck>();
  for (const type of segment.sectionTypes) {
    const bytes = await segment.section(type);
    if (bytes === undefined) continue;
    try {
      const check = sections.map((makes) => makes(type, bytes)).find((one) => one !== undefined);
      if (check !== undefined) checks.set(type, check);
    } catch (error) {
      if (!isSectionDamage(error)) throw error;
      findings.add(sectionFinding(segment.path, type, error.rawMessage));
    }
  }
  return checks;
}

function sectionFinding(path: string, type: number, reason: string) {
  const about = { severity: "rebuildable", part: "section", advice: advice.rebuild } as const;
  return { ...about, path, reason: `section ${type}: ${reason}` };
}

function entryFinding(path: string, { key, sequence }: Entry, reason: string) {
  return { severity: "loss", path, reason: `${reason} (key ${hexOf(key)}, version ${sequence})` } as const;
}

/** The record is one: that was checked before. */
type NewFinding = Parameters<Findings["add"]>[0];

/** What is wrong with where the entry says that its content lies; undefined where nothing is. */
function handleFinding(path: string, entry: Entry, contents: ContentRows): NewFinding | undefined {
  if (entry.kind !== entryKind.value || entry.key[0] !== itemMark) return undefined;
  const record = new ItemRecord(entry.value);
  if (!record.isInContentLog) return undefined;
  const about = { part: "handle", advice: advice.restore } as const;
  try {
    const fault = contents.fault(decodeHandle(record.contentBytes));
    return fault === undefined ? undefined : { ...entryFinding(path, entry, fault), ...about };
  } catch (error) {
    return { ...entryFinding(path, entry, errorText(error)), ...about };
  }
}

/** Whether a newer segment has the key. One that cannot be read hides nothing: it has findings of its own. */
async function isHidden({ key }: Entry, { disk, folder, state, file }: SegmentCheckOptions): Promise<boolean> {
  const cache = new BlockCache({ limitBytes: 0 });
  for (const newer of state.files.values()) {
    if (newer.kind !== "segment" || newer.smallestSequence <= file.largestSequence) continue;
    if (compareKeys(newer.smallestKey, key) > 0 || compareKeys(newer.largestKey, key) < 0) continue;
    const options = { disk, folder, name: fileName(newer), fileId: newer.id, cache, expected: newer };
    const found = await openSegment(options).then(
      async (segment) => {
        await using open = segment;
        return (await open.get(key)) !== undefined;
      },
      () => false,
    );
    if (found) return true;
  }
  return false;
}

const itemMark = 0x69;
