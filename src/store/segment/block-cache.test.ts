import { describe, expect, it } from "vitest";
import { utf8 } from "../../base/index.ts";
import { plainEntry } from "../testing/model.ts";
import { opened, written } from "../testing/segments.ts";
import { gathered } from "../testing/walk.ts";
import { Block } from "./block.ts";
import { BlockCache, type BlockTable } from "./block-cache.ts";
import { BlockEncoder } from "./block-encoder.ts";

function block(bytes = 1_000): Block {
  const encoder = new BlockEncoder();
  encoder.add(plainEntry(utf8("a"), 1, new Uint8Array(bytes)));
  return new Block(encoder.finish(1, 64).bytes);
}

describe("the block cache", () => {
  it("S2: stays within its bytes, and gives up what was not used", () => {
    const cache = new BlockCache({ limitBytes: 15_000 });
    const table: BlockTable = [];
    for (let place = 0; place < 100; place++) {
      cache.keep(table, place, block());
      expect(cache.statistics.usedBytes).toBeLessThanOrEqual(15_000);
      // Used between any two that come, so the hand passes it by each time.
      table[3] && (table[3].isUsed = true);
    }
    const { blocks, evictions } = cache.statistics;
    expect(blocks).toBe(table.filter((one) => one !== undefined).length);
    expect(blocks + evictions).toBe(100);
    expect(table[3]).toBeDefined();
    expect(table[4]).toBeUndefined();
    cache.drop(table);
    expect(cache.statistics).toMatchObject({ blocks: 0, usedBytes: 0 });
  });

  it("S2: keeps nothing that is larger than itself", () => {
    const cache = new BlockCache({ limitBytes: 900 });
    const table: BlockTable = [];
    cache.keep(table, 0, block());
    expect(table[0]).toBeUndefined();
    expect(cache.statistics.usedBytes).toBe(0);
  });

  it("S2: is not emptied by a long scan", async () => {
    const entries = Array.from({ length: 3_000 }, (_, place) =>
      plainEntry(utf8(String(place).padStart(6, "0")), place + 1, new Uint8Array(40)),
    );
    const segment = await opened(await written(entries), { cacheBytes: 20_000 });
    for (let number = 0; number < 3_000; number += 250) await segment.get(utf8(String(number).padStart(6, "0")));
    const inMemory = (): number =>
      Array.from({ length: 12 }, (_, place) => segment.get(utf8(String(place * 250).padStart(6, "0")))).filter(
        (answer) => !(answer instanceof Promise),
      ).length;
    expect(inMemory()).toBe(12);
    expect(await gathered(segment.scan())).toHaveLength(3_000);
    expect(inMemory()).toBe(12);
  });
});
