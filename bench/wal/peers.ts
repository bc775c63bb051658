/**
 * What a Node program would otherwise make records durable with, each set so that it acknowledges only what is.
 *
 * classic-level and lmdb are installed apart, in a package of their own, so their types cannot be imported where they
 * are not installed; what is used of them is declared here.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { packageNamed } from "../install.ts";
import { blockingLoop, type Contender, closedLoop } from "./contender.ts";

/** One record a call, or a batch of them in one atomic write. */
export interface Load {
  readonly writers: number;
  readonly recordsEach: number;
}

interface ClassicLevelPackage {
  readonly ClassicLevel: new (path: string, options: { valueEncoding: "view" }) => ClassicLevelDatabase;
}

interface ClassicLevelDatabase {
  open(): Promise<void>;
  put(key: string, value: Uint8Array, options: { sync: boolean }): Promise<void>;
  batch(puts: readonly { type: "put"; key: string; value: Uint8Array }[], options: { sync: boolean }): Promise<void>;
  close(): Promise<void>;
}

interface LmdbPackage {
  open(options: { path: string; encoding: "binary"; overlappingSync: boolean }): LmdbDatabase;
}

interface LmdbDatabase {
  readonly flushed: PromiseLike<unknown>;
  put(key: number, value: Uint8Array): Promise<boolean>;
  batch(puts: () => unknown): Promise<boolean>;
  close(): Promise<void>;
}

export function peersFor(load: Load, records: readonly Uint8Array[]): Contender[] {
  const grouped = load.writers * load.recordsEach;
  return [classicLevel(load, records), lmdb(load, records, false), lmdb(load, records, true), sqlite(grouped, records)];
}

function classicLevel({ writers, recordsEach }: Load, records: readonly Uint8Array[]): Contender {
  const { ClassicLevel } = packageNamed("classic-level") as ClassicLevelPackage;
  return {
    name: "classic-level, sync",
    async open(folder) {
      const db = new ClassicLevel(join(folder, "db"), { valueEncoding: "view" });
      await db.open();
      let next = 0;
      const one = (): [string, Uint8Array] => [keyOf(next), records[next++ % records.length]!];
      const append = (): Promise<void> => {
        if (recordsEach === 1) return db.put(...one(), { sync: true });
        const puts = Array.from({ length: recordsEach }, one);
        return db.batch(
          puts.map(([key, value]) => ({ type: "put", key, value })),
          { sync: true },
        );
      };
      return {
        turn: (durationMs) => closedLoop(writers, durationMs, recordsEach, append),
        close: () => db.close(),
      };
    },
  };
}

/** It gathers writes into transactions by itself; durable before a commit is told, or with `flushed` after it. */
function lmdb({ writers, recordsEach }: Load, records: readonly Uint8Array[], flushedLater: boolean): Contender {
  const { open } = packageNamed("lmdb") as LmdbPackage;
  return {
    name: flushedLater ? "lmdb, awaiting flushed" : "lmdb, sync at commit",
    async open(folder) {
      const path = join(folder, "db");
      mkdirSync(path);
      const db = open({ path, encoding: "binary", overlappingSync: flushedLater });
      let next = 0;
      const put = (): Promise<boolean> => db.put(next, asBuffer(records[next++ % records.length]!));
      const append = async (): Promise<void> => {
        if (recordsEach === 1) await put();
        else await db.batch(() => Array.from({ length: recordsEach }, put));
        if (flushedLater) await db.flushed;
      };
      return {
        turn: (durationMs) => closedLoop(writers, durationMs, recordsEach, append),
        close: () => db.close(),
      };
    },
  };
}

/** It blocks, so what many writers would hand in at once comes as one transaction. */
function sqlite(grouped: number, records: readonly Uint8Array[]): Contender {
  return {
    name: grouped === 1 ? "node:sqlite, FULL" : `node:sqlite, FULL, ${grouped} a transaction`,
    async open(folder) {
      const db = new DatabaseSync(join(folder, "db"));
      db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
      db.exec("CREATE TABLE log (sequence INTEGER PRIMARY KEY, record BLOB) STRICT");
      const insert = db.prepare("INSERT INTO log (record) VALUES (?)");
      let next = 0;
      const append = (): void => {
        if (grouped > 1) db.exec("BEGIN");
        for (let count = 0; count < grouped; count++) insert.run(records[next++ % records.length]!);
        if (grouped > 1) db.exec("COMMIT");
      };
      return {
        turn: async (durationMs) => blockingLoop(durationMs, grouped, append),
        close: async () => db.close(),
      };
    },
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function keyOf(sequence: number): string {
  return sequence.toString(16).padStart(12, "0");
}
