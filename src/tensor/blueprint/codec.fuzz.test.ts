/**
 * Broken Blueprints by the thousand, each from a seed: what is decoded is a graph that encodes to the very bytes, and
 * all else is refused with a code. HOLDFAST_FUZZ_CASES asks for more, HOLDFAST_FUZZ_SEED starts elsewhere.
 */
import { describe, expect, it } from "vitest";
import { chanceOf, damagedBytes, damagedMessage } from "../../../test/support/mutate.ts";
import { smallNetwork } from "../../../test/support/onnx-model.ts";
import { operatorZoo } from "../../../test/support/operator-zoo.ts";
import { HoldfastError, seededRandom } from "../../base/index.ts";
import { BlueprintSchema } from "../gen/holdfast/v2/blueprint_pb.ts";
import type { Graph } from "../graph/graph.ts";
import { importOnnx } from "../onnx/import.ts";
import { planGraph } from "../plan/model-plan.ts";
import { decodeBlueprint, encodeBlueprint } from "./codec.ts";

const cases = Number(process.env.HOLDFAST_FUZZ_CASES ?? 300);
const firstSeed = Number(process.env.HOLDFAST_FUZZ_SEED ?? 1);
const limitMs = 3_000;

const small = importOnnx(smallNetwork(), { shapes: { image: [1, 2, 6, 6] } });
const blueprints: Readonly<Record<string, Uint8Array>> = {
  small: encodeBlueprint(small),
  ...Object.fromEntries(Object.entries(operatorZoo).map(([name, make]) => [name, encodeBlueprint(importOnnx(make()))])),
};

/** Its code where a step refused; anything but a HoldfastError is thrown with the seed. */
function refusal(name: string, seed: number, step: () => void): string | undefined {
  try {
    step();
    return undefined;
  } catch (error) {
    if (HoldfastError.is(error)) return error.code;
    throw new Error(`${name}, seed ${seed}: ${(error as Error).stack}`, { cause: error });
  }
}

const seeds = Array.from({ length: cases }, (_, place) => firstSeed + place);

describe.each(Object.keys(blueprints))("the Blueprint %s", (name) => {
  const bytes = blueprints[name]!;
  const donors = Object.values(blueprints);

  it("is decoded as it is", () => {
    expect(encodeBlueprint(decodeBlueprint(bytes))).toEqual(bytes);
  });

  it.each([
    { what: "its bytes", damage: (seed: number) => damagedBytes(bytes, donors[seed % donors.length]!, chance(seed)) },
    { what: "its fields", damage: (seed: number) => damagedMessage(BlueprintSchema, bytes, chance(seed)) },
  ])("with $what damaged is refused, or a graph with these bytes", { timeout: 600_000 }, ({ damage }) => {
    const codes = new Set<string>();
    for (const seed of seeds) {
      const damaged = damage(seed);
      const startedMs = performance.now();
      let graph: Graph | undefined;
      const code = refusal(name, seed, () => {
        graph = decodeBlueprint(damaged);
      });
      codes.add(code ?? "decoded");
      if (code !== undefined) expect(code, `seed ${seed}`).toMatch(/^BLUEPRINT_/);
      if (graph) {
        const decoded = graph;
        expect(encodeBlueprint(decoded), `seed ${seed}`).toEqual(damaged);
        // A graph that holds together may still make no sense: that is for the planner to say.
        refusal(name, seed, () => planGraph(decoded, { name }));
      }
      expect(performance.now() - startedMs, `seed ${seed}`).toBeLessThan(limitMs);
    }
    expect(codes.size).toBeGreaterThan(2);
  });
});

function chance(seed: number) {
  return chanceOf(seededRandom(seed));
}
