/** Everybody who keeps items under ids. */
import type { Contender } from "./contender.ts";
import { holdfast } from "./holdfast.ts";
import { classicLevel, lmdb, lmdbFlushed, sqlite } from "./peers.ts";

export const contenders: readonly Contender[] = [holdfast, classicLevel, lmdb, lmdbFlushed, sqlite];
