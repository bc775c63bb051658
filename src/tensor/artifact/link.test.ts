/** What linking promises: one order whatever came first, units once, memory that nobody else's value lies in. */
import { describe, expect, it } from "vitest";
import { floats, ints, modelBytes, node, value } from "../../../test/support/onnx-model.ts";
import { linkPlan } from "../compile-model.ts";
import { compileUnit, decodeUnitObject } from "../compile-unit.ts";
import { type ModelPlan, planModel } from "../plan/model-plan.ts";
import type { LinkedArtifact } from "./link.ts";
import { artifactFiles } from "./wrapper.ts";

const ramp = (count: number): number[] => Array.from({ length: count }, (_, place) => (place % 7) / 7 - 0.4);

/** Two equal layers, a third of its own, and a constant that is all one number. */
function layers(): ModelPlan {
  const model = modelBytes({
    input: [value("x", [4, 8])],
    output: [value("y", [4, 8])],
    initializer: [
      floats("a", [8, 8], ramp(64)),
      floats("b", [8, 8], ramp(64).toReversed()),
      floats("half", [1], [0.5]),
      ints("size", [2], [4, 8]),
    ],
    node: [
      node("MatMul", ["x", "a"], ["p"]),
      node("Softmax", ["p"], ["s"]),
      node("MatMul", ["s", "b"], ["q"]),
      node("Softmax", ["q"], ["t"]),
      node("Expand", ["half", "size"], ["halves"]),
      node("Sub", ["t", "halves"], ["y"]),
    ],
  });
  return planModel(model, { name: "layers" });
}

const plan = layers();
const objects = new Map<string, Uint8Array>();
for (const [place, hash] of plan.hashes.entries()) {
  if (!objects.has(hash)) objects.set(hash, compileUnit(plan.specs[place]!));
}
const all = plan.hashes.map((hash) => objects.get(hash)!);

/** What each variant exports; a module that wants anything from the host would not start here. */
const exportsOf = ({ module, relaxedModule }: LinkedArtifact): string[][] =>
  [module, relaxedModule].map((bytes) => {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>));
    return Object.keys(instance.exports);
  });

const symbolsOf = (object: Uint8Array): string[] =>
  decodeUnitObject(object).strict.functions.map(({ symbol }) => symbol);

/** How many functions a module has: the count at the head of its section 3. */
function functionsIn(bytes: Uint8Array): number {
  let place = 8;
  const u32 = (): number => {
    let [number, shift] = [0, 0];
    for (;;) {
      const byte = bytes[place++]!;
      number |= (byte & 0x7f) << shift;
      if (byte < 0x80) return number;
      shift += 7;
    }
  };
  for (;;) {
    const id = bytes[place++];
    const length = u32();
    if (id === 3) return u32();
    place += length;
  }
}

describe("linking", () => {
  it("gives modules the engine takes, with a run without parameters, a memory, and nothing to import", () => {
    const linked = linkPlan(plan, all);
    expect(exportsOf(linked)).toEqual([
      ["run0", "memory"],
      ["run0", "memory"],
    ]);
    expect(linked.description.steps).toEqual([{ kind: "wasm", call: "run0" }]);
  });

  it("gives the same bytes from the same units, whoever made them", () => {
    const [one, two] = [all, plan.specs.map((spec) => compileUnit(spec))].map((units) => linkPlan(plan, units));
    expect(artifactFiles(two!)).toEqual(artifactFiles(one!));
  });

  it("takes a unit that stands twice once", () => {
    expect(new Set(plan.hashes).size).toBeLessThan(plan.hashes.length);
    const distinct = new Set(plan.hashes.flatMap((hash) => symbolsOf(objects.get(hash)!)));
    expect(functionsIn(linkPlan(plan, all).module)).toBe(distinct.size + 1);
  });

  it("cuts the run where a unit has no code, says why, and leaves the rest compiled", () => {
    const lone = plan.hashes.findIndex(
      (hash, place) => place > 0 && plan.hashes.indexOf(hash) === plan.hashes.lastIndexOf(hash),
    );
    const last = plan.hashes.length - 1;
    expect(lone).toBeGreaterThan(0);
    const without = all.map((object, place) => (place === lone ? undefined : object));
    const { description, ...linked } = linkPlan(plan, without, new Map([[plan.hashes[lone]!, "it crashed"]]));
    const kinds = description.steps.map(({ kind }) => kind);
    expect(kinds).toEqual(lone === last ? ["wasm", "eager"] : ["wasm", "eager", "wasm"]);
    expect(description.eagerSources).toHaveLength(1);
    expect(description.units.map(({ mode }) => mode)).toEqual(
      plan.hashes.map((_, place) => (place === lone ? "eager" : "compiled")),
    );
    expect(description.units[lone]!.reason).toBe("it crashed");
    const runs = kinds.filter((kind) => kind === "wasm").map((_, place) => `run${place}`);
    const exported = [...runs, "memory"];
    expect(exportsOf({ description, ...linked })).toEqual([exported, exported]);
  });

  it("keeps a constant that is all one number out of the file, and the ports apart within the memory", () => {
    const { description, weights } = linkPlan(plan, all);
    expect(weights.length).toBe(description.weights.bytes);
    expect(description.weights.fills).toEqual([
      { offset: expect.any(Number), bytes: 128, element: [...new Uint8Array(new Float32Array([0.5]).buffer)] },
    ]);
    const weightsEnd = description.weights.offset + weights.length;
    const parts = [
      ...description.weights.fills,
      ...[...description.inputs, ...description.outputs].map(({ offset }) => ({ offset, bytes: 4 * 8 * 4 })),
    ].sort((left, right) => left.offset - right.offset);
    expect(parts[0]!.offset).toBeGreaterThanOrEqual(weightsEnd);
    expect(parts.at(-1)!.offset + parts.at(-1)!.bytes).toBeLessThanOrEqual(description.memory.pages * 65_536);
    for (const { offset } of parts) expect(offset % 16).toBe(0);
  });
});
