/**
 * Units and artifacts are kept under the compiler's version: code that changes under a version that does not would
 * leave a developer's state folder full of what an older compiler made. So what is made of a few small models is on
 * record with the version, and the two may only change together. A model that changes gets another name.
 *
 *     HOLDFAST_RERECORD=1 npm test -- test/generated-code.test.ts
 *
 * writes the record anew, where the version has been raised or only models were added.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hexOf, sha256 } from "../src/base/index.ts";
import { artifactFiles, compileInProcess, compilerVersion, planModel } from "../src/tensor/index.ts";
import { smallNetwork } from "./support/onnx-model.ts";
import { operatorZoo } from "./support/operator-zoo.ts";

const path = join(import.meta.dirname, "generated-code.json");

interface Recorded {
  readonly compiler: string;
  /** sha256 by model and part of its artifact. */
  readonly digests: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const models: Readonly<Record<string, () => Uint8Array>> = {
  shapes: () => readFileSync(join(import.meta.dirname, "../examples/shapes/shapes.onnx")),
  small: smallNetwork,
  ...operatorZoo,
};

function digestsOf(name: string): Record<string, string> {
  const shapes = name === "small" ? { image: [2, 2, 6, 6] } : {};
  const plan = planModel(models[name]!(), { name, shapes });
  const files = artifactFiles(compileInProcess(plan, { validate: false }));
  const part = (path: string): string => path.slice(path.indexOf(".") + 1);
  return Object.fromEntries(files.map((file) => [part(file.path), hexOf(sha256(file.bytes))]));
}

/** What is wrong with new digests under this version, if anything. */
function complaint(recorded: Recorded, compiler: string, digests: Recorded["digests"]): string | undefined {
  const changed = Object.keys(recorded.digests).flatMap((name) =>
    Object.entries(recorded.digests[name]!)
      .filter(([part, digest]) => digests[name] && digests[name][part] !== digest)
      .map(([part]) => `${name} (${part})`),
  );
  if (changed.length === 0 || compiler !== recorded.compiler) return undefined;
  return `the code made for ${changed.join(", ")} has changed: raise compilerVersion in src/tensor/plan/version.ts`;
}

describe("the code made for small models", () => {
  const recorded = JSON.parse(readFileSync(path, "utf8")) as Recorded;
  const digests = Object.fromEntries(Object.keys(models).map((name) => [name, digestsOf(name)]));

  it("has not changed since the compiler's version was raised last", () => {
    expect(complaint(recorded, compilerVersion, digests)).toBeUndefined();
  });

  it("is on record for this version and these models", () => {
    const record: Recorded = { compiler: compilerVersion, digests };
    const mayWrite = complaint(recorded, compilerVersion, digests) === undefined;
    if (process.env.HOLDFAST_RERECORD === "1" && mayWrite) {
      writeFileSync(path, `${JSON.stringify(record, undefined, 2)}\n`);
      return;
    }
    expect(recorded, "write it anew with HOLDFAST_RERECORD=1, once compilerVersion is raised").toEqual(record);
  });

  it("would not pass for unchanged under the same version, and would under another", () => {
    const before: Recorded = { compiler: "c/1", digests: { a: { strict: "1", relaxed: "2" } } };
    const after = { a: { strict: "1", relaxed: "3" }, b: { strict: "4" } };
    expect(complaint(before, "c/1", after)).toContain("a (relaxed)");
    expect(complaint(before, "c/2", after)).toBeUndefined();
    expect(complaint(before, "c/1", before.digests)).toBeUndefined();
    expect(complaint(before, "c/1", { ...before.digests, b: { strict: "4" } })).toBeUndefined();
  });

  it("is the same when it is made again", () => {
    expect(digestsOf("images")).toEqual(digests.images);
  });
});
