/**
 * Scripts at random, each from a seed. In the manner of a swarm, each seed first draws how often it does what (much is
 * never), so that some scripts hardly do anything but delete and compact, and others only write at once and crash.
 */

import { type Random, seededRandom } from "../../../src/base/index.ts";
import type { EdgeInput } from "../../../src/store/item/item.ts";
import type {
  BatchPart,
  Condition,
  Consolidate,
  Cut,
  FaultSpec,
  Operation,
  Read,
  ScanSpec,
  Script,
  ScriptSettings,
  Together,
  Work,
  Write,
} from "./operations.ts";
import type { ContentSpec, InputSpec } from "./values.ts";

const strangeIds = ["é", "\u{1f375}", "\uffee", "a/b/c", "a", " ", "A".repeat(300), "zz\u0001"];
/** A little more than what goes through the log. */
const largeBytes = 262_150;
const edgeTypes = ["knows", "follows"];

export interface ScriptOptions {
  /** Operations that are left out. */
  readonly without?: readonly string[];
  /** An operation that is half of all. */
  readonly mostly?: keyof typeof usualWeights;
}

export function makeScript(seed: number, operationCount: number, options: ScriptOptions = {}): Script {
  const { without = [], mostly } = options;
  const script = new ScriptMaker(seed, mostly).make(operationCount);
  const isWanted = (operation: Operation): boolean =>
    !without.includes(operation.op === "readSnapshot" ? operation.read.op : operation.op);
  const operations = script.operations.filter(isWanted).map((operation): Operation => {
    if (operation.op !== "together") return operation;
    return { ...operation, operations: operation.operations.filter(isWanted) };
  });
  return { ...script, operations };
}

class ScriptMaker {
  readonly #seed: number;
  readonly #random: Random;
  readonly #settings: ScriptSettings;
  readonly #weights: ReadonlyMap<string, number>;
  readonly #visibleShare: number;
  readonly #conditionShare: number;
  readonly #crashShare: number;
  readonly #faultShare: number;
  /** Of contents that do not go through the log. */
  readonly #largeShare: number;
  #tags = 0;

  constructor(seed: number, mostly?: keyof typeof usualWeights) {
    this.#seed = seed;
    this.#random = seededRandom(seed);
    this.#settings = this.#makeSettings();
    this.#visibleShare = this.#pick([0, 0.1, 0.5, 0.95]);
    this.#conditionShare = this.#pick([0, 0.2, 0.6]);
    this.#crashShare = this.#pick([0.003, 0.01, 0.04]);
    this.#faultShare = this.#pick([0, 0.3, 0.8]);
    this.#largeShare = this.#chance(0.06) ? 0.05 : 0;
    const weights = new Map<string, number>(
      Object.entries(usualWeights).map(([name, weight]) => [name, weight * this.#pick([0, 0.3, 1, 1, 3])]),
    );
    const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
    this.#weights = mostly === undefined ? weights : weights.set(mostly, total);
  }

  make(operationCount: number): Script {
    const operations: Operation[] = [];
    let count = 0;
    while (count < operationCount) {
      const next = this.#chance(this.#crashShare) ? this.#cut() : this.#operation();
      operations.push(next);
      count += next.op === "together" ? next.operations.length : 1;
    }
    operations.push({ op: "everything" }, this.#cut());
    return { seed: this.#seed, settings: this.#settings, operations };
  }

  #makeSettings(): ScriptSettings {
    const plain = Array.from({ length: 3 + this.#below(30) }, (_, place) => `k${place}`);
    const strange = strangeIds.filter(() => this.#chance(0.3));
    return {
      collections: [
        {
          name: "notes",
          metric: this.#pick(["cosine", "dot", "l2"]),
          quantisation: this.#pick(["none", "int8"]),
          uses: this.#pick(["explicit", "reads"]),
        },
        ...(this.#chance(0.6) ? [{ name: "plain" }] : []),
        ...(this.#chance(0.2) ? [{ name: "notes2", metric: "l2" as const }] : []),
      ],
      ids: [...plain, ...strange],
      memtableEntries: this.#pick([4, 8, 20, 1_000]),
      memtableBytes: this.#pick([1_024, 2_048, 1 << 20]),
      cacheBytes: this.#pick([0, 4_096, 1 << 20]),
      contentFromBytes: this.#pick([32, 64, 64, 400, 4_096]),
      manual: this.#chance(0.4),
      firstCut: 1 + this.#below(30),
      ...(this.#chance(0.3)
        ? {
            slow: {
              path: this.#pick(["/log/", "/log/", "segment", "content", "manifest"]),
              turns: this.#pick([2, 12]),
            },
          }
        : {}),
    };
  }

  #operation(): Operation {
    const name = this.#weighted(this.#weights) ?? "put";
    switch (name) {
      case "put":
      case "delete":
      case "link":
      case "unlink":
      case "update":
      case "write":
        return this.#write(name);
      case "flush":
      case "compact":
      case "compactContent":
      case "maintain":
        return this.#work(name);
      case "consolidate":
        return this.#consolidate();
      case "together":
        return this.#together();
      case "start":
        return { op: "start", work: this.#work(this.#pick(works)) };
      case "join":
      case "snapshot":
      case "everything":
        return { op: name };
      case "readSnapshot":
        return { op: "readSnapshot", which: this.#below(8), read: this.#read() };
      case "closeSnapshot":
        return { op: "closeSnapshot", which: this.#below(8) };
      case "openScan":
        return { op: "openScan", collection: this.#collection(), options: this.#scan() };
      case "pullScan":
        return { op: "pullScan", which: this.#below(4), count: 1 + this.#below(9) };
      case "use":
        return { op: "use", collection: this.#collection(), ids: this.#ids(1 + this.#below(4)) };
      case "advance":
        return { op: "advance", byMs: this.#pick([0, 1, 100, 5_000, 3_600_000]) };
      case "reopen":
        return { op: "reopen", faults: this.#faults() };
      case "intruder":
        return { op: "intruder", readOnly: this.#chance(0.5) };
      case "mistake":
        return { op: "mistake", collection: this.#collection(), which: this.#below(20) };
      case "rot":
        return {
          op: "rot",
          what: this.#pick(["bit", "bit", "bit", "file", "end", "log"]),
          file: this.#below(1_000),
          offset: this.#random(),
          bit: this.#below(8),
        };
      default:
        return this.#read();
    }
  }

  #write(name: Write["op"]): Write {
    const visible = this.#chance(this.#visibleShare) ? { visible: true as const } : {};
    if (name === "update") {
      const collection = this.#collection();
      const input = this.#chance(0.1) ? null : this.#input(collection);
      return {
        op: "update",
        collection,
        id: this.#id(),
        input,
        ...(this.#chance(0.3) ? { slow: true } : {}),
        ...visible,
      };
    }
    if (name !== "write") return { ...this.#part(name, this.#collection(), this.#id()), ...visible };
    const parts = new Map<string, BatchPart>();
    for (let count = 1 + this.#below(6); count > 0; count--) {
      const [collection, id] = [this.#collection(), this.#id()];
      const part = this.#part(this.#pick(["put", "put", "delete", "link", "unlink"]), collection, id);
      // Of an item once: what two changes of one item in one batch mean together is not for chance to ask.
      parts.set(`${collection}\0${id}`, part);
    }
    return { op: "write", parts: [...parts.values()], ...visible };
  }

  #part(op: BatchPart["op"], collection: string, id: string): BatchPart {
    const when = this.#chance(this.#conditionShare)
      ? { when: this.#pick<Condition>(["right", "right", "wrong", "absent"]) }
      : {};
    if (op === "put") return { op, collection, id, input: this.#input(collection), ...when };
    if (op === "delete") return { op, collection, id, ...when };
    return { op, collection, id, edge: this.#edge() };
  }

  #input(collection: string): InputSpec {
    const isVector = this.#settings.collections.some(({ name, metric }) => name === collection && metric !== undefined);
    return {
      tag: ++this.#tags,
      ...(this.#chance(0.9) ? { content: this.#content() } : {}),
      ...(isVector && this.#chance(0.7) ? { embedding: true as const } : {}),
      ...(this.#chance(0.6) ? { metadata: true as const } : {}),
      ...(this.#chance(0.15)
        ? { edges: Array.from({ length: this.#below(4) }, () => this.#edge()).filter(isFirst) }
        : {}),
      ...(this.#chance(0.15) ? { kappa: this.#below(11) / 10 } : {}),
      ...(this.#chance(0.1) ? { pinned: this.#chance(0.7) } : {}),
      ...(this.#chance(0.12) ? { ttlMs: this.#pick([1, 50, 2_000, 10_000, 1e10]) } : {}),
    };
  }

  #content(): ContentSpec {
    if (this.#chance(this.#largeShare)) return { kind: this.#pick(["bytes", "text"]), sizeBytes: largeBytes };
    const sizeBytes = this.#pick([0, 1, 20, 60, 64, 70, 200, 500, 1_200, this.#chance(0.02) ? 20_000 : 30]);
    return { kind: this.#pick(["bytes", "text", "json"]), sizeBytes };
  }

  #edge(): EdgeInput {
    return {
      type: this.#pick(edgeTypes),
      target: this.#id(),
      ...(this.#chance(0.2) ? { collection: this.#collection() } : {}),
      ...(this.#chance(0.8) ? { weight: this.#below(1_000_000) / 1_000 - 200 } : {}),
    };
  }

  #read(): Read {
    const collection = this.#collection();
    const op = this.#pick([
      "get",
      "get",
      "peek",
      "getMany",
      "scan",
      "scan",
      "neighbours",
      "within",
      "search",
      "recall",
    ] as const);
    switch (op) {
      case "get":
      case "peek":
        return { op, collection, id: this.#id() };
      case "getMany":
        return { op, collection, ids: this.#ids(this.#below(8)) };
      case "scan":
        return { op, collection, options: this.#scan() };
      case "neighbours":
        return { op, collection, id: this.#id(), direction: this.#pick(["out", "in", "both"]) };
      case "within":
        return { op, collection, id: this.#id(), steps: this.#below(4) };
      case "recall": {
        const vectors = this.#settings.collections.filter(({ metric }) => metric !== undefined);
        return {
          op,
          collection: this.#pick(vectors).name,
          ...(this.#chance(0.7) ? { tag: this.#below(1_000_000) } : {}),
          from: this.#ids(this.#below(3)),
          k: this.#pick([1, 3, 100]),
          use: this.#chance(0.5),
        };
      }
      case "search": {
        const vectors = this.#settings.collections.filter(({ metric }) => metric !== undefined);
        const rule = this.#pick(["text", "function"] as const);
        return {
          op,
          collection: this.#pick(vectors).name,
          tag: this.#below(1_000_000),
          k: this.#pick([1, 3, 10, 100]),
          ...(this.#chance(0.4) ? { group: this.#below(4), rule } : {}),
        };
      }
    }
  }

  #scan(): ScanSpec {
    return {
      ...(this.#chance(0.3) ? { from: this.#id() } : {}),
      ...(this.#chance(0.3) ? { to: this.#id() } : {}),
      ...(this.#chance(0.2) ? { prefix: this.#pick(["k", "k1", "a", "é", "nothing"]) } : {}),
      ...(this.#chance(0.4) ? { reverse: this.#chance(0.8) } : {}),
      ...(this.#chance(0.3) ? { limit: this.#pick([1, 2, 7, 1_000]) } : {}),
      ...(this.#chance(0.2) ? { withContent: this.#chance(0.5) } : {}),
    };
  }

  #work(op: Work["op"]): Work {
    return op === "compactContent" ? { op, minimumGarbage: this.#pick([0, 0.3, 0.9]) } : { op };
  }

  #consolidate(): Consolidate {
    return { op: "consolidate", passes: (["nrem", "rem", "prune"] as const).filter(() => this.#chance(0.7)) };
  }

  #together(): Together {
    const operations = Array.from({ length: 2 + this.#below(7) }, (): Together["operations"][number] => {
      const kind = this.#random();
      if (kind < 0.35) return this.#read();
      if (kind < 0.5) return this.#work(this.#pick(works));
      return this.#write(this.#pick(["put", "put", "delete", "update", "link", "unlink", "write"]));
    });
    if (this.#chance(0.1)) operations.unshift(this.#consolidate());
    // More writes at once than this leave more outcomes than are worth looking at when the power goes.
    let writes = 0;
    const few = operations.filter((operation) => !isWrite(operation) || ++writes <= 4);
    return { op: "together", operations: few, pauses: few.map(() => (this.#chance(0.6) ? 0 : this.#below(5))) };
  }

  #cut(): Cut {
    return {
      op: "cut",
      after: this.#pick([0, 1, 2, 3, 5, 8, 13, 20, 30, 50, 80, 200, 1_000]),
      ...(this.#chance(0.3) ? { kill: true as const } : {}),
      survivors: 1 + this.#below(3),
      seed: this.#below(2 ** 31),
      nested: Array.from({ length: this.#pick([0, 0, 1, 2, 3]) }, () => 1 + this.#below(this.#pick([5, 20]))),
      faults: this.#faults(),
    };
  }

  #faults(): FaultSpec[] {
    if (!this.#chance(this.#faultShare)) return [];
    const kind = this.#pick(faultKinds);
    const occurrence = 1 + this.#below(this.#pick([3, 10, 40, 150]));
    const path = this.#pick([undefined, undefined, "segment", "content", "log", "manifest"]);
    return [
      {
        kind,
        occurrence,
        ...(path === undefined || kind === "space" ? {} : { path }),
        ...(kind === "write" && this.#chance(0.5) ? { code: this.#pick(["EIO", "ENOSPC"] as const) } : {}),
        ...(this.#chance(0.2) ? { forever: true as const } : {}),
        ...((kind === "sync" || kind === "syncFolder") && this.#chance(0.5) ? { lies: true as const } : {}),
        ...(kind === "write" || kind === "shortRead" ? { bytes: this.#pick([0, 1, 100, 600]) } : {}),
        ...(kind === "space" ? { bytes: this.#pick([0, 1_000, 10_000, 50_000]) } : {}),
      },
    ];
  }

  #collection(): string {
    const { collections } = this.#settings;
    return this.#chance(0.7) ? collections[0]!.name : this.#pick(collections).name;
  }

  #id(): string {
    return this.#pick(this.#settings.ids);
  }

  #ids(count: number): string[] {
    return Array.from({ length: count }, () => this.#id());
  }

  #chance(share: number): boolean {
    return this.#random() < share;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }

  #weighted(weights: ReadonlyMap<string, number>): string | undefined {
    const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
    let place = this.#random() * total;
    for (const [name, weight] of weights) if ((place -= weight) < 0) return name;
    return undefined;
  }
}

const works = ["flush", "compact", "compactContent", "maintain"] as const;
const faultKinds = [
  "open",
  "list",
  "read",
  "shortRead",
  "write",
  "write",
  "write",
  "sync",
  "sync",
  "syncFolder",
  "truncate",
  "rename",
  "remove",
  "space",
] as const;

const usualWeights = {
  put: 30,
  delete: 10,
  update: 6,
  link: 5,
  unlink: 2,
  write: 8,
  read: 30,
  together: 10,
  flush: 3,
  compact: 1.5,
  compactContent: 1.5,
  maintain: 1,
  consolidate: 0.6,
  start: 2,
  join: 2,
  snapshot: 2,
  readSnapshot: 6,
  closeSnapshot: 1.5,
  openScan: 2,
  pullScan: 5,
  use: 4,
  advance: 3,
  reopen: 1,
  everything: 1,
  intruder: 0.3,
  mistake: 1,
  rot: 0.5,
} as const;

function isFirst(edge: EdgeInput, place: number, all: readonly EdgeInput[]): boolean {
  const isSame = (other: EdgeInput): boolean =>
    other.type === edge.type && other.target === edge.target && other.collection === edge.collection;
  return all.findIndex(isSame) === place;
}

function isWrite(operation: Together["operations"][number]): operation is Write {
  return ["put", "delete", "update", "link", "unlink", "write"].includes(operation.op);
}
