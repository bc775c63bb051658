import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { vectorKernelsSource } from "../scripts/vector-kernels.ts";

it("S3: the committed distance kernels are those that the script makes", () => {
  const file = join(import.meta.dirname, "../src/store/vector/kernels.generated.ts");
  expect(readFileSync(file, "utf8") === vectorKernelsSource(), "run: node scripts/vector-kernels.ts").toBe(true);
});
