import { expect, it } from "vitest";
import { IdSet } from "./id-set.ts";

it("S4: a set of fingerprints has what was added, and of as many others nothing", () => {
  const set = new IdSet();
  for (let id = 0; id < 100_000; id++) set.add(`note/${id}`);
  set.add("note/5");
  expect(set.size).toBe(100_000);
  const wrong = Array.from({ length: 100_000 }, (_, id) => id).filter(
    (id) => !set.has(`note/${id}`) || set.has(`note/x${id}`) || set.has(`nota/${id}`),
  );
  expect(wrong).toEqual([]);
});
