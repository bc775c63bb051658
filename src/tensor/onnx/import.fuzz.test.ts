/**
 * Broken models by the thousand, each from a seed: the planner ends every one soon, in a plan or in an error that says
 * what is wrong, never in a crash. HOLDFAST_FUZZ_CASES asks for more, HOLDFAST_FUZZ_SEED starts elsewhere.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { chanceOf, damagedBytes, damagedMessage } from "../../../test/support/mutate.ts";
import { smallNetwork } from "../../../test/support/onnx-model.ts";
import { operatorZoo } from "../../../test/support/operator-zoo.ts";
import { HoldfastError, seededRandom } from "../../base/index.ts";
import { ModelProtoSchema } from "../gen/onnx/onnx_pb.ts";
import { planModel } from "../plan/model-plan.ts";

const cases = Number(process.env.HOLDFAST_FUZZ_CASES ?? 300);
const firstSeed = Number(process.env.HOLDFAST_FUZZ_SEED ?? 1);
const limitMs = 3_000;
const example = readFileSync(new URL("../../../examples/shapes/shapes.onnx", import.meta.url));

const models: Readonly<Record<string, Uint8Array>> = {
  example,
  small: smallNetwork(),
  ...Object.fromEntries(Object.entries(operatorZoo).map(([name, make]) => [name, make()])),
};
const shapes: Readonly<Record<string, Readonly<Record<string, readonly number[]>>>> = {
  small: { image: [1, 2, 6, 6] },
};

interface Ending {
  readonly seed: number;
  readonly code: string;
  readonly elapsedMs: number;
}

/** What became of a model; undefined where it was planned. Whatever is no HoldfastError is thrown with its seed. */
function ending(name: string, bytes: Uint8Array, seed: number): Ending {
  const startedMs = performance.now();
  let code = "planned";
  try {
    planModel(bytes, { name, shapes: shapes[name] ?? {} });
  } catch (error) {
    if (!HoldfastError.is(error)) throw new Error(`${name}, seed ${seed}: ${(error as Error).stack}`, { cause: error });
    code = error.code;
  }
  return { seed, code, elapsedMs: performance.now() - startedMs };
}

const seeds = Array.from({ length: cases }, (_, place) => firstSeed + place);

describe.each(Object.keys(models))("the model %s", (name) => {
  const bytes = models[name]!;
  const donors = Object.values(models);

  it("is planned as it is", () => {
    expect(ending(name, bytes, 0).code).toBe("planned");
  });

  it.each([
    {
      what: "its bytes damaged",
      damage: (seed: number) => damagedBytes(bytes, donors[seed % donors.length]!, chance(seed)),
    },
    { what: "its fields damaged", damage: (seed: number) => damagedMessage(ModelProtoSchema, bytes, chance(seed)) },
  ])("ends soon and in an error or a plan with $what", { timeout: 600_000 }, ({ damage }) => {
    const endings = seeds.map((seed) => ending(name, damage(seed), seed));
    expect(endings.filter(({ elapsedMs }) => elapsedMs > limitMs)).toEqual([]);
    // Were all refused alike, the damage would be of one kind, and the test a test of little.
    expect(new Set(endings.map(({ code }) => code)).size).toBeGreaterThan(2);
  });
});

function chance(seed: number) {
  return chanceOf(seededRandom(seed));
}
