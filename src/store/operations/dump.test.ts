import { describe, expect, it } from "vitest";
import { HoldfastError, seededRandom } from "../../base/index.ts";
import { DumpReader, DumpWriter } from "./dump.ts";
import { type DumpedItem, type DumpRecord, dumpLine, parseDumpLine } from "./dump-line.ts";
import { jsonPlaces } from "./json-places.ts";

const plain: DumpedItem = {
  collection: "notes",
  id: "n1",
  version: 12,
  content: null,
  embedding: undefined,
  metadata: undefined,
  kappa: 0,
  pinned: false,
  createdMs: 1_000.25,
  updatedMs: 2_000,
  expiryMs: undefined,
};

const records: DumpRecord[] = [
  { kind: "collection", name: "notes", settings: {} },
  {
    kind: "collection",
    name: "a/b-1.c",
    settings: { vectors: { dimension: 3, metric: "l2", quantisation: "int8" }, uses: "reads" },
  },
  { kind: "item", item: plain },
  {
    kind: "item",
    item: {
      ...plain,
      id: 'odd "\\\n\u2028 é 🐢',
      content: new Uint8Array([0, 255, 1, 254]),
      embedding: Float32Array.of(0.1, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-45, 3.4e38),
      metadata: { a: [1, { b: null }], __proto__x: "y", text: "\ud800 alone" },
      kappa: Math.fround(0.7),
      pinned: true,
      expiryMs: 9_007_199_254_740_991,
    },
  },
  {
    kind: "item",
    item: { ...plain, content: { deep: [[["x"]]], n: 0.1 + 0.2, "": true }, embedding: Float32Array.of(1) },
  },
  { kind: "item", item: { ...plain, content: "line\nbreak", metadata: {} } },
  { kind: "item", item: { ...plain, content: new Uint8Array(0) } },
  { kind: "edge", edge: { collection: "notes", source: "n1", type: "next", target: "n2", weight: Math.fround(0.3) } },
  {
    kind: "edge",
    edge: { collection: "notes", source: "n1", type: "of", target: "x", targetCollection: "people", weight: -1e-40 },
  },
];

function dumped(): string {
  const writer = new DumpWriter();
  return writer.header() + records.map((record) => writer.record(record)).join("") + writer.end();
}

function read(text: string, options: { readonly isEdited?: boolean } = {}): DumpRecord[] {
  const reader = new DumpReader(options);
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const found = lines.map((line) => reader.line(line)).filter((one) => one !== undefined);
  reader.end();
  return found;
}

function failure(work: () => unknown): HoldfastError {
  try {
    work();
  } catch (error) {
    if (HoldfastError.is(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("a dump", () => {
  it("S11: read again gives the very same, to the last bit", () => {
    for (const record of records) expect(parseDumpLine(dumpLine(record))).toEqual(normal(record));
    expect(read(dumped())).toEqual(records.map(normal));
    for (const line of dumped().split("\n")) expect(line).not.toContain("\r");
    const random = seededRandom(3);
    for (let round = 0; round < 300; round++) {
      const numbers = Uint32Array.from({ length: 1 + Math.floor(random() * 9) }, () => Math.floor(random() * 2 ** 32));
      const embedding = new Float32Array(numbers.buffer);
      const kappa = Math.fround(random());
      const found = parseDumpLine(dumpLine({ kind: "item", item: { ...plain, embedding, kappa } }));
      if (found.kind !== "item") throw new Error("it is no item");
      expect(new Uint32Array(found.item.embedding!.buffer)).toEqual(numbers);
      expect(found.item.kappa).toBe(kappa);
    }
  });

  /** A number that single precision has not is none that a store gives. */
  function normal(record: DumpRecord): DumpRecord {
    return record.kind === "edge"
      ? { kind: "edge", edge: { ...record.edge, weight: Math.fround(record.edge.weight) } }
      : record;
  }

  it("S11: may be written by hand: arrays of numbers, and what has its default left out", () => {
    expect(parseDumpLine('{"item":"a","collection":"n","createdMs":1,"updatedMs":2,"embedding":[1,0.5]}')).toEqual({
      kind: "item",
      item: {
        ...{ ...plain, id: "a", collection: "n", version: 0, createdMs: 1, updatedMs: 2 },
        embedding: Float32Array.of(1, 0.5),
      },
    });
    const edited = dumped().replace('"next"', '"after"').split("\n").slice(0, -2).join("\n");
    expect(read(`${edited}\n\n`, { isEdited: true })).toHaveLength(records.length);
    expect(read(dumped().replace('"next"', '"after"'), { isEdited: true })).toHaveLength(records.length);
  });

  it("S11: that was cut anywhere, changed anywhere, joined or shuffled is refused", () => {
    const text = dumped();
    for (let size = 0; size < text.length - 1; size++) expect(() => read(text.slice(0, size))).toThrow("STORE_DUMP");
    for (let place = 0; place < text.length; place++) {
      const letter = text[place] === "x" ? "y" : "x";
      expect(() => read(text.slice(0, place) + letter + text.slice(place + 1))).toThrow(HoldfastError);
    }
    const lines = text.split("\n");
    expect(() => read([lines[0], lines[2], lines[1], ...lines.slice(3)].join("\n"))).toThrow("checksum");
    expect(() => read([...lines.slice(0, 3), ...lines.slice(4)].join("\n"))).toThrow("items");
    expect(() => read(text + text)).toThrow("behind the end");
    expect(() => read([...lines.slice(0, 3), lines[0], ...lines.slice(3)].join("\n"))).toThrow("second dump");
    expect(() => read("")).toThrow("was cut");
    expect(() => read('{"holdfast":"dump","format":2}')).toThrow("STORE_VERSION");
  });

  it("S11: says line, column and what would be right of a line that it refuses", () => {
    const item = '{"item":"a","collection":"n","createdMs":1,"updatedMs":2';
    const cases: readonly [text: string, at: string, says: RegExp][] = [
      ["{", "", /no JSON/],
      ["[1]", "[1]", /no JSON object/],
      [`${item},"kappa":x}`, "x}", /no JSON/],
      [`${item},"kappa":2}`, "2}", /κ is from 0 to 1/],
      [`${item},"kappa":"2"}`, '"2"}', /kappa is no number/],
      [`${item},"pinned":1}`, "1}", /true or false/],
      [`${item},"embedding":"AAA"}`, '"AAA"', /no base64/],
      [`${item},"embedding":"AAA="}`, '"AAA="', /four bytes/],
      [`${item},"embedding":[]}`, "[]", /1 to 16384/],
      [`${item},"embedding":[1,"2"]}`, '[1,"2"]', /numbers only/],
      [`${item},"metadata":[]}`, "[]", /metadata is an object/],
      [`${item},"bytes":"AA==","content":1}`, '"AA=="', /content or bytes/],
      [`${item},"expiryMs":0}`, "0}", /expiry/],
      [`${item},"version":1.5}`, "1.5", /no count/],
      [`${item},"colour":"red"}`, '"red"', /no field "colour"/],
      ['{"item":"","collection":"n","createdMs":1,"updatedMs":2}', '"",', /no id/],
      ['{"item":"a\\u0000","collection":"n","createdMs":1,"updatedMs":2}', '"a\\u', /no id/],
      ['{"item":"a","collection":"-n","createdMs":1,"updatedMs":2}', '"-n"', /no name of a collection/],
      ['{"item":"a","collection":"n","updatedMs":2}', "{", /createdMs is no number/],
      ['{"edge":"t","collection":"n","source":"a","target":"b","weight":1e99}', "1e99", /finite/],
      [`{"edge":"${"t".repeat(121)}","collection":"n","source":"a","target":"b","weight":1}`, '"ttt', /too long/],
      [
        '{"collection":"n","settings":{"vectors":{"dimension":0,"metric":"l2"}}}',
        '{"vectors',
        /no settings for vectors/,
      ],
      ['{"collection":"n","settings":{"size":1}}', '{"size', /no setting size/],
      ['{"end":{"collections":1}}', '{"collections', /lacks a count/],
      ['{"something":1}', "{", /nothing known/],
    ];
    for (const [text, at, says] of cases) {
      const error = failure(() => parseDumpLine(text, 7));
      expect(error.message).toMatch(says);
      expect(error.code).toBe("STORE_DUMP");
      expect(error.details).toEqual({ line: 7, column: (at === "" ? text.length : text.indexOf(at)) + 1 });
      expect(error.hint?.length).toBeGreaterThan(3);
    }
  });

  it("S11: the place at which a line stops being JSON is where JSON.parse stops too", () => {
    const text = '{"a":[1,-2.5e3,true,null,"x\\u00e9\\n",{}],"b":{"c":[]}, "d":""}';
    expect(jsonPlaces(text)).toMatchObject({ faultAt: undefined });
    expect([...jsonPlaces(text).values]).toEqual([
      ["a", 5],
      ["b", text.indexOf('{"c"')],
      ["d", text.length - 3],
    ]);
    // Where it ends, or where the word begins that is cut.
    for (let size = 0; size < text.length; size++) {
      const { faultAt = -1 } = jsonPlaces(text.slice(0, size));
      expect(size - faultAt).toBeLessThan(8);
      expect(faultAt).toBeLessThanOrEqual(size);
    }
    for (let place = 0; place < text.length; place++) {
      for (const letter of ["#", '"', "\\", "}", "1", "\u0001"]) {
        const changed = text.slice(0, place) + letter + text.slice(place + 1);
        let isJson = true;
        try {
          JSON.parse(changed);
        } catch {
          isJson = false;
        }
        expect(jsonPlaces(changed).faultAt === undefined).toBe(isJson);
      }
    }
    expect(jsonPlaces("[".repeat(100_000)).faultAt).toBeGreaterThan(999);
  });
});
