/**
 * Spoiled checkpoint files, from a seed: whatever the bytes, what comes back is the newest file that nobody touched,
 * with the very state that was saved in it, or an error that says what is wrong.
 */
import { describe, expect, it } from "vitest";
import { chanceOf } from "../../../test/support/mutate.ts";
import { bytesEqual, crc32, HoldfastError, hexOf, seededRandom } from "../../base/index.ts";
import { SimDisk } from "../../disk/index.ts";
import { headerBytes } from "./envelope.ts";
import { fileNameOf } from "./file-name.ts";
import { type Checkpoints, checkpoints, localCheckpoints } from "./index.ts";

const cases = Number(process.env["HOLDFAST_FUZZ_CASES"] ?? 1_500);
const firstSeed = Number(process.env["HOLDFAST_FUZZ_SEED"] ?? 1);
const folder = "/checkpoints";
const versions = [1, 2, 3];
const ids = ["a", "a.b"];

type Chance = ReturnType<typeof chanceOf>;

interface Corpus {
  readonly disk: SimDisk;
  /** By file name. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  readonly states: ReadonlyMap<string, Uint8Array>;
}

async function makeCorpus(seed: number): Promise<Corpus> {
  const random = seededRandom(seed);
  const disk = new SimDisk();
  const states = new Map<string, Uint8Array>();
  const files = new Map<string, Uint8Array>();
  await using kept = checkpoints({ backend: localCheckpoints({ disk, folder }) });
  for (const id of ids) {
    for (const version of versions) {
      const sizeBytes = Math.floor(random() * (seed % 3 === 0 ? 30 : 1_500));
      const state = Uint8Array.from({ length: sizeBytes }, () => random() * 256);
      using _registration = kept.register({ id, save: () => state, restore: () => undefined });
      await kept.checkpoint(id);
      const name = fileNameOf(id, version);
      states.set(name, state);
      files.set(name, await disk.readFile(`${folder}/${name}`));
    }
  }
  return { disk, files, states };
}

/** One wound. A forged one has a header whose CRC is right. */
const wounds: readonly ((bytes: Uint8Array, donor: Uint8Array, chance: Chance) => Uint8Array)[] = [
  (bytes, _, { below }) => with1(bytes, below(bytes.length), (byte) => byte ^ (1 << below(8))),
  (bytes, _, { below }) => with1(bytes, below(headerBytes), (byte) => byte ^ (1 << below(8))),
  (bytes, _, { below, pick }) => with1(bytes, below(bytes.length), () => pick([0, 1, 0x7f, 0x80, 0xff])),
  (bytes, _, { below }) => bytes.slice(0, below(bytes.length + 1)),
  (bytes, _, { below }) => bytes.slice(below(bytes.length + 1)),
  (_, donor) => donor.slice(),
  (bytes, donor, { below }) => spliced(bytes, below(bytes.length), 0, donor.subarray(0, below(donor.length))),
  (bytes, donor, { below }) => {
    const [at, length] = [below(bytes.length), 1 + below(64)];
    return spliced(bytes, at, length, donor.subarray(at, at + length));
  },
  (bytes, _, { below }) => {
    const [at, length] = [below(bytes.length), 1 + below(64)];
    return spliced(bytes, at, 0, bytes.subarray(at, at + length));
  },
  (bytes, _, { below }) => spliced(bytes, below(bytes.length), 1 + below(64), new Uint8Array(0)),
  (bytes, _, { below }) => new Uint8Array(bytes.length).fill(below(256)),
  (_bytes, _, { below }) => Uint8Array.from({ length: below(600) }, () => below(256)),
  (bytes, _, { below }) => Uint8Array.of(...bytes, ...Array.from({ length: 1 + below(40) }, () => below(256))),
  (bytes, donor, { below }) => {
    const cut = below(Math.min(bytes.length, donor.length));
    return spliced(bytes, cut, bytes.length, donor.subarray(cut));
  },
  (bytes, _, { below }) => forged(with1(bytes, below(headerBytes - 4), () => below(256))),
  (bytes, donor, { below }) => {
    const at = below(headerBytes - 4);
    return forged(spliced(bytes, at, 8, donor.subarray(at, at + 8)));
  },
];

function with1(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = bytes.slice();
  if (at < copy.length) copy[at] = change(copy[at]!);
  return copy;
}

function spliced(bytes: Uint8Array, at: number, length: number, put: Uint8Array): Uint8Array {
  return Uint8Array.of(...bytes.subarray(0, at), ...put, ...bytes.subarray(at + length));
}

function forged(bytes: Uint8Array): Uint8Array {
  if (bytes.length < headerBytes) return bytes;
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  // Of a header that says it is shorter, the seal belongs where that ends.
  const end = Math.min(Math.max(16, view.getUint16(10, true)), copy.length);
  view.setUint32(end - 4, crc32(copy.subarray(0, end - 4)), true);
  return copy;
}

interface Outcome {
  readonly kind: string;
  readonly faults: readonly string[];
}

async function run(seed: number, corpora: readonly Corpus[]): Promise<Outcome> {
  const chance = chanceOf(seededRandom(seed));
  const { disk: whole, files, states } = chance.pick(corpora);
  const disk = whole.restarted();
  const wounded = new Set<string>();
  for (let count = 1 + chance.below(3); count > 0; count--) {
    const name = fileNameOf("a", chance.pick(versions));
    let bytes: Uint8Array = files.get(name)!;
    // Of this folder: another folder's file of this id and version is whole, and nothing tells it from its own.
    const donor = chance.pick([...files.values()]);
    for (let times = 1 + chance.below(2); times > 0; times--) bytes = chance.pick(wounds)(bytes, donor, chance);
    await disk.writeFile(`${folder}/${name}`, bytes);
    if (bytesEqual(bytes, files.get(name)!)) wounded.delete(name);
    else wounded.add(name);
  }
  const faults: string[] = [];
  await using kept = checkpoints({ backend: localCheckpoints({ disk, folder }) });
  const newestWhole = versions.findLast((version) => !wounded.has(fileNameOf("a", version)));
  const kind = await restoreNewest(kept, states, newestWhole, faults);
  for (const version of versions) await restoreNamed(kept, version, states, faults);
  await goOn(kept, faults);
  return { kind, faults: faults.map((fault) => `seed ${seed}: ${fault}`) };
}

async function restoreNewest(
  kept: Checkpoints,
  states: ReadonlyMap<string, Uint8Array>,
  newestWhole: number | undefined,
  faults: string[],
): Promise<string> {
  let given: Uint8Array | undefined;
  using _registration = kept.register({
    id: "a",
    save: () => new Uint8Array(0),
    restore: (state) => void (given = state),
  });
  try {
    const { version, fellBack } = await kept.restore("a");
    if (given === undefined || !bytesEqual(given, states.get(fileNameOf("a", version))!))
      faults.push(`version ${version} comes back as ${hexOf((given ?? new Uint8Array(0)).slice(0, 16))}`);
    if (version !== newestWhole) faults.push(`version ${version} where the newest whole one is ${newestWhole}`);
    if (fellBack.length !== 3 - version) faults.push(`${fellBack.length} passed over on the way to ${version}`);
    return fellBack.length > 0 ? "fell back" : "newest";
  } catch (error) {
    if (!HoldfastError.is(error)) throw error;
    if (given !== undefined) faults.push(`${error.code} after a state was given`);
    // A whole one may only be refused for a newer one that says it is of another format, with a seal that is right.
    if (newestWhole !== undefined && error.code !== "CHECKPOINT_FORMAT")
      faults.push(`${newestWhole}: ${error.message}`);
    if (!["CHECKPOINT_DAMAGED", "CHECKPOINT_FORMAT"].includes(error.code)) faults.push(error.message);
    return error.code;
  }
}

async function restoreNamed(
  kept: Checkpoints,
  version: number,
  states: ReadonlyMap<string, Uint8Array>,
  faults: string[],
): Promise<void> {
  let given: Uint8Array | undefined;
  using _registration = kept.register({
    id: "a",
    save: () => new Uint8Array(0),
    restore: (state) => void (given = state),
  });
  const error = await kept.restore("a", { version }).catch((failure: unknown) => failure);
  if (given !== undefined && !bytesEqual(given, states.get(fileNameOf("a", version))!))
    faults.push(`named version ${version} comes back as something else`);
  if (given === undefined && !HoldfastError.is(error)) faults.push(`version ${version}: ${String(error)}`);
}

/** Whatever the files are, the next checkpoint is taken and comes back. */
async function goOn(kept: Checkpoints, faults: string[]): Promise<void> {
  const state = Uint8Array.of(1, 2, 3);
  let given: Uint8Array | undefined;
  using _registration = kept.register({ id: "a", save: () => state, restore: (bytes) => void (given = bytes) });
  const { version } = await kept.checkpoint("a");
  await kept.restore("a");
  if (version <= 3 || given === undefined || !bytesEqual(given, state))
    faults.push(`it goes on with version ${version}`);
}

describe("spoiled checkpoint files", () => {
  it(`R10: give out no wrong state and end no program (${cases} cases)`, async () => {
    const corpora = await Promise.all([1, 2, 3, 4].map(makeCorpus));
    const kinds = new Map<string, number>();
    for (let seed = firstSeed; seed < firstSeed + cases; seed++) {
      const { kind, faults } = await run(seed, corpora);
      expect(faults).toEqual([]);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
    if (cases > 10_000) process.stdout.write(`${cases} cases: ${JSON.stringify(Object.fromEntries(kinds))}\n`);
    for (const kind of ["newest", "fell back", "CHECKPOINT_DAMAGED", "CHECKPOINT_FORMAT"])
      expect(kinds.get(kind) ?? 0, kind).toBeGreaterThan(0);
  }, 3_600_000);
});
