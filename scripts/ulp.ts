/**
 * The largest error of the f32 elementary functions over all 2^32 floats (or every STEP-th).
 *
 *     node scripts/ulp.ts [--step N] [exp log tanh sigmoid erf]
 */
import { parseArgs } from "node:util";
import { type Measured, measured, worstError } from "../test/support/math-error.ts";

const { values, positionals } = parseArgs({
  options: { step: { type: "string", default: "1" } },
  allowPositionals: true,
});
for (const name of measured.filter((one) => positionals.length === 0 || positionals.includes(one)) as Measured[]) {
  for (const relaxed of [false, true]) {
    const { ulp, at, points } = worstError(name, relaxed, Number(values.step));
    process.stdout.write(
      `${name.padEnd(8)} ${relaxed ? "relaxed" : "strict "}  ${ulp.toFixed(3)} ULP at ${at}, ${points} floats\n`,
    );
  }
}
