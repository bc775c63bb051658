/** Opens the segments of a state, each with what was lost of it. */

import { join } from "node:path";
import { HoldfastError } from "../../base/index.ts";
import { segmentsByAge } from "../compaction/pick.ts";
import { decodeLost, lostValueName } from "../damage/lost-codec.ts";
import { LostRanges } from "../damage/lost-ranges.ts";
import { latestSequence } from "../entry.ts";
import { keyAfter } from "../key.ts";
import { fileName } from "../manifest/names.ts";
import type { ManifestFile, ManifestState } from "../manifest/state.ts";
import { corruptError } from "../segment/damage.ts";
import { type DamageReports, reportOf } from "./damage-reports.ts";
import { type OpenLayerOptions, SegmentLayer } from "./segment-layer.ts";

export interface OpenLayersOptions extends Pick<OpenLayerOptions, "disk" | "folder" | "cache"> {
  readonly state: ManifestState;
  readonly damage: DamageReports;
}

/**
 * Newest first, added to `layers` one by one, so that whoever fails closes those that are open. A file that is damaged
 * at its ends, or gone, keeps nobody from opening the store: all that it may have held counts as lost until it is
 * salvaged. Throws STORE_VERSION, STORE_MANIFEST_CORRUPT, and DISK_* but for a file that is gone.
 */
export async function openLayers(options: OpenLayersOptions, layers: SegmentLayer[]): Promise<void> {
  const { state } = options;
  for (const file of segmentsByAge(state.files.values())) {
    const lost = decodeLost(state.values.get(lostValueName(file.id)));
    layers.push(await openLayer(options, file, lost));
  }
}

async function openLayer(
  { disk, folder, cache, damage }: OpenLayersOptions,
  file: ManifestFile,
  lost: LostRanges,
): Promise<SegmentLayer> {
  const onDamage = (error: unknown): void => void damage.told(error);
  try {
    return await SegmentLayer.open({ disk, folder, cache, file, lost, onDamage });
  } catch (thrown) {
    const error = isMissing(thrown) ? missingError(join(folder, fileName(file))) : thrown;
    const report = reportOf(error);
    if (report === undefined) throw error;
    damage.told(error);
    const whole = {
      ...{ from: file.smallestKey, fromSequence: latestSequence, toSequence: latestSequence, isOneVersion: false },
      ...{ to: keyAfter(file.largestKey), smallestSequence: file.smallestSequence },
      ...{ largestSequence: file.largestSequence, path: report.path, offset: report.offset },
    };
    return SegmentLayer.unreadable(file, lost.with(new LostRanges([whole])));
  }
}

function isMissing(error: unknown): boolean {
  return HoldfastError.is(error) && error.code === "DISK_NOT_FOUND";
}

function missingError(path: string): HoldfastError {
  return corruptError({ path, offset: 0, section: "header", reason: "the file is not there" });
}
