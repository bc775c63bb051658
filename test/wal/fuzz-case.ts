/**
 * One spoiled log, read, verified, opened, salvaged and repaired. A case is a number: the same number is the same case.
 *
 * Whatever the bytes, each ends in a HoldfastError or well; a log that could be opened goes on; a repaired one is
 * sound; and no entry is given out that was never written, unless its frame was forged with all its checksums.
 */
import { HoldfastError, seededRandom, utf8 } from "../../src/base/index.ts";
import { inspectWal, openWal, readWal, repairWal, verifyWal, type WalEntry } from "../../src/wal/index.ts";
import { type ExampleLog, folder, makeExample, readAll, repeatable } from "./example-log.ts";
import { type Files, MemoryDisk } from "./memory-disk.ts";
import { type Mutated, mutate } from "./mutations.ts";

export interface CaseResult {
  /** What came of each thing that was tried, as `open: WAL_CORRUPT`. */
  readonly classes: readonly string[];
  readonly faults: readonly string[];
  readonly done: readonly string[];
}

export interface Corpus {
  readonly logs: readonly CorpusLog[];
}

interface CorpusLog extends ExampleLog {
  /** Truncated ones too: where the newest file is damaged, it is not known that they were. */
  readonly written: readonly WalEntry[];
}

export async function makeCorpus(): Promise<Corpus> {
  const logs: CorpusLog[] = [];
  for (const format of ["binary", "json"] as const) {
    for (const seed of [1, 2]) {
      const log = await makeExample({ format, seed, rounds: 5 });
      logs.push({ ...log, written: log.entries });
    }
    logs.push(await afterCrash(await makeExample({ format, seed: 3, rounds: 5 })));
    logs.push(await unsealed(await makeExample({ format, seed: 4, rounds: 5 })));
    logs.push(await recycled(format));
  }
  return { logs };
}

/** Its last bytes torn, taken up again, and closed. */
async function afterCrash(log: ExampleLog): Promise<CorpusLog> {
  const disk = new MemoryDisk((await unsealed(log)).files);
  const wal = await openWal({ disk, folder, ...repeatable(30) });
  await wal.appendAll([utf8("after"), utf8("the crash")]);
  await wal.truncateBefore(10);
  await wal.close();
  const entries = await readAll(disk);
  return { ...log, files: disk.files(), entries, written: [...log.entries, ...entries] };
}

/** Never closed, and written into files that were truncated away before: old frames stand behind the new ones. */
async function recycled(format: ExampleLog["format"]): Promise<CorpusLog> {
  const disk = new MemoryDisk();
  const wal = await openWal({ disk, folder, format, fileLimitBytes: 8_192, ...repeatable(50) });
  const written: WalEntry[] = [];
  for (let round = 0; round < 40; round++) {
    const payload = utf8(`${round}`.padEnd(500, "."));
    const sequence = await wal.append(payload);
    written.push({ sequence, timestampMs: 0, payload, context: undefined });
    if (round % 12 === 11) await wal.truncateBefore(sequence - 3);
  }
  const files = disk.files();
  await wal.close();
  return { format, files, entries: await readAll(new MemoryDisk(files)), written };
}

async function unsealed(log: ExampleLog): Promise<CorpusLog> {
  const last = [...log.files.keys()]
    .filter((path) => /\.(wal|jsonl)$/.test(path))
    .sort()
    .at(-1)!;
  const bytes = log.files.get(last)!;
  const files = new Map(log.files).set(last, bytes.slice(0, bytes.length - 700));
  return { ...log, files, entries: await readAll(new MemoryDisk(files)), written: log.entries };
}

export async function runCase(corpus: Corpus, seed: number): Promise<CaseResult> {
  const random = seededRandom(seed);
  const log = corpus.logs[Math.floor(random() * corpus.logs.length)]!;
  const others = corpus.logs.filter(({ format }) => format === log.format);
  const other = others[Math.floor(random() * others.length)]!;
  const mutated = mutate(log.files, other.files, log.format, random);
  const trial = new Trial(mutated, new Set([...log.written, ...other.written].map(keyOf)));
  await trial.attempt("read", (disk) => trial.read(disk, false));
  await trial.attempt("salvage", (disk) => trial.read(disk, true));
  await trial.attempt("verify", async (disk) => ((await verifyWal(disk, folder)).lost.length > 0 ? "losses" : "sound"));
  await trial.attempt("inspect", async (disk) => {
    for await (const _ of inspectWal(disk, folder)) void _;
    return "sound";
  });
  await trial.attempt("open", (disk) => trial.goOn(disk, "strict"));
  await trial.attempt("open to salvage", (disk) => trial.goOn(disk, "salvage"));
  await trial.attempt("repair", (disk) => trial.repair(disk));
  return { classes: trial.classes, faults: trial.faults, done: mutated.done };
}

/** Chunks of reading and every step of writing: far more than any of these logs can need. */
const operationLimit = 20_000;

/** Says so where a disk is asked without end. */
class ImpatientDisk extends MemoryDisk {
  #operations = 0;

  override async open(...args: Parameters<MemoryDisk["open"]>): ReturnType<MemoryDisk["open"]> {
    if (++this.#operations > operationLimit) throw new Error(`more than ${operationLimit} files opened`);
    return await super.open(...args);
  }
}

class Trial {
  readonly classes: string[] = [];
  readonly faults: string[] = [];
  readonly #mutated: Mutated;
  readonly #known: ReadonlySet<string>;

  constructor(mutated: Mutated, known: ReadonlySet<string>) {
    this.#mutated = mutated;
    this.#known = known;
  }

  async attempt(what: string, work: (disk: MemoryDisk) => Promise<string>): Promise<void> {
    try {
      this.classes.push(`${what}: ${await work(new ImpatientDisk(this.#mutated.files as Files))}`);
    } catch (error) {
      const typed = HoldfastError.is(error);
      this.classes.push(`${what}: ${typed ? error.code : "CRASH"}`);
      if (!typed) this.faults.push(`${what}: ${error instanceof Error ? error.stack : error}`);
    }
  }

  async read(disk: MemoryDisk, salvage: boolean): Promise<string> {
    let losses = 0;
    let last = -1;
    const options = salvage ? { onLoss: () => losses++ } : {};
    for await (const entry of readWal(disk, folder, options)) {
      this.#check(entry);
      if (!this.#mutated.forged && entry.context === undefined && entry.sequence <= last)
        this.faults.push(`${entry.sequence} after ${last}`);
      if (entry.context === undefined) last = entry.sequence;
    }
    return losses > 0 ? "losses" : "sound";
  }

  /** Opened, appended to and closed, it gives out what it gave out and one more. */
  async goOn(disk: MemoryDisk, recovery: "strict" | "salvage"): Promise<string> {
    const found: WalEntry[] = [];
    const onEntry = (entry: WalEntry): void => void found.push(entry);
    const wal = await openWal({ disk, folder, recovery, onEntry, ...repeatable(60) });
    const appended = await wal.append(utf8("one more"));
    await wal.close();
    const again: WalEntry[] = [];
    try {
      await (await openWal({ disk, folder, onEntry: (entry) => again.push(entry) })).close();
    } catch (error) {
      this.faults.push(`${recovery}: it was opened once, and then: ${error}`);
      return "opened once";
    }
    const expected = [...found.map(keyOf), appended].length;
    if (again.length !== expected) this.faults.push(`${recovery}: ${again.length} entries later, not ${expected}`);
    if (again.at(-1)?.sequence !== appended) this.faults.push(`${recovery}: what was appended is not the last`);
    return wal.recovery.lost.length > 0 ? "losses" : wal.recovery.torn === undefined ? "sound" : "torn";
  }

  async repair(disk: MemoryDisk): Promise<string> {
    const into = "/copy";
    const report = await repairWal({ disk, folder, into });
    let entries = 0;
    try {
      for await (const entry of readWal(disk, into)) {
        this.#check(entry);
        entries++;
      }
      if (!(await verifyWal(disk, into)).sealed) this.faults.push("a repaired log is not closed");
    } catch (error) {
      this.faults.push(`a repaired log is refused: ${error}`);
      return "unsound";
    }
    if (entries !== report.entries) this.faults.push(`a repaired log gives ${entries} entries, not ${report.entries}`);
    return report.lost.length > 0 ? "losses" : "sound";
  }

  #check(entry: WalEntry): void {
    if (this.#mutated.forged) return;
    if (!this.#known.has(keyOf(entry))) this.faults.push(`entry ${entry.sequence} was never written`);
  }
}

/** The logs of the corpus use the same numbers: only with its bytes is an entry known. */
function keyOf({ sequence, payload }: WalEntry): string {
  return `${sequence}:${Buffer.from(payload.buffer, payload.byteOffset, payload.length).toString("latin1")}`;
}
