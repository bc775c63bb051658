/** The store under measurement, used through its public interface alone. */
import type { Change, Item } from "../../src/store/item/item.ts";
import type { Store, StoreOptions } from "../../src/store/store.ts";
import { type Answer, type Contender, cacheBytes, inBatches } from "./contender.ts";

const name = "main";

/** Loaded when asked for, so that the peers can be measured where it is not. */
export async function openStoreLater(options: StoreOptions): Promise<Store> {
  const path = "../../src/store/engine/open-store.ts";
  const engine = (await import(path).catch((cause: unknown) => {
    throw new Error("the store's engine cannot be loaded; --without holdfast measures the peers alone", { cause });
  })) as { openStore(options: StoreOptions): Promise<Store> };
  return engine.openStore(options);
}

export const holdfast: Contender = {
  name: "holdfast",
  isOwn: true,
  async open(folder, options) {
    const large = { memtableBytes: 2 ** 31, memtableEntries: 2 ** 24, manual: true };
    const store = await openStoreLater({ folder, cacheBytes, ...(options?.keepsInMemory === true ? large : {}) });
    const items = await store.collection(name);
    const change = ([id, content]: readonly [string, Uint8Array]): Change => {
      return { op: "put", collection: name, id, content };
    };
    const peekEach = (ids: readonly string[]): Answer => {
      let bytes = 0;
      for (const [place, id] of ids.entries()) {
        const answer = items.peek(id);
        // Only what has to ask the content log is worth a promise; the rest of the ids follow it.
        if (answer instanceof Promise) return peekRest(answer, ids.slice(place + 1), bytes);
        bytes += bytesOf(answer);
      }
      return bytes;
    };
    const peekRest = async (first: Promise<Item | undefined>, rest: readonly string[], before: number) =>
      before + bytesOf(await first) + (await peekEach(rest));
    return {
      get: {
        peek: peekEach,
        async get(ids) {
          let bytes = 0;
          for (const id of ids) bytes += bytesOf(await items.get(id));
          return bytes;
        },
      },
      getMany: {
        async getMany(ids) {
          let bytes = 0;
          for (const item of await items.getMany(ids)) bytes += bytesOf(item);
          return bytes;
        },
        "peek each": peekEach,
      },
      scan: {
        async scan() {
          let bytes = 0;
          for await (const item of items.scan()) bytes += item.id.length + bytesOf(item);
          return bytes;
        },
        async scanBatches() {
          let bytes = 0;
          for await (const batch of items.scanBatches())
            for (const item of batch) bytes += item.id.length + bytesOf(item);
          return bytes;
        },
      },
      ranges: {
        async scan(starts, limit) {
          let bytes = 0;
          for (const from of starts)
            for await (const item of items.scan({ from, limit })) bytes += item.id.length + bytesOf(item);
          return bytes;
        },
        async scanBatches(starts, limit) {
          let bytes = 0;
          for (const from of starts)
            for await (const batch of items.scanBatches({ from, limit }))
              for (const item of batch) bytes += item.id.length + bytesOf(item);
          return bytes;
        },
      },
      put: { put: { blocks: false, put: (id, content) => items.put(id, { content }) } },
      load: { write: (all) => inBatches(all, (puts) => store.write(puts.map(change))) },
      async settle() {
        await store.flush();
        await store.compact();
      },
      close: () => store.close(),
    };
  },
};

function bytesOf(item: Item | undefined): number {
  if (item === undefined) return 0;
  if (!(item.content instanceof Uint8Array)) throw new Error(`${item.id} came back without its bytes`);
  return item.content.length;
}
