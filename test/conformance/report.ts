/** The table of docs/onnx-support.md: what becomes of every operator's cases. */
import { families } from "../../src/tensor/operators/families.ts";
import type { Outcome } from "./run.ts";

interface Row {
  readonly versions: readonly number[];
  readonly outcomes: Outcome[];
}

export function supportPage(outcomes: readonly Outcome[]): string {
  const rows = new Map<string, Row>();
  for (const { operator, since, domain } of families.flat()) {
    if (domain !== undefined && domain !== "") continue;
    const known = rows.get(operator);
    rows.set(operator, { versions: [...(known?.versions ?? []), since].sort((a, b) => a - b), outcomes: [] });
  }
  const expanded: Outcome[] = [];
  for (const outcome of outcomes) {
    if (outcome.operators.length !== 1) {
      expanded.push(outcome);
      continue;
    }
    const operator = outcome.operators[0]!;
    if (!rows.has(operator)) rows.set(operator, { versions: [], outcomes: [] });
    rows.get(operator)!.outcomes.push(outcome);
  }
  const lines = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([operator, row]) => line(operator, row));
  return `${head(outcomes)}${lines.join("\n")}\n${line("*models of several nodes*", { versions: [], outcomes: expanded })}\n`;
}

function head(outcomes: readonly Outcome[]): string {
  return `# ONNX operators

Written by \`npm run conformance\` from the ONNX backend test cases; do not edit.

${summary(outcomes)}

A version is the first opset with those semantics; it holds up to the next one listed. "Bound" are cases in which
an input decides about a shape: they run with that input fixed at compile time (\`--bind\`). A rejection is an error
with that code when compiling.

| operator | versions | right, compiled | right, eager | of these bound | rejected |
|---|---|---|---|---|---|
`;
}

/** Counts by ending, in words. */
export function summary(outcomes: readonly Outcome[]): string {
  const count = (test: (outcome: Outcome) => boolean): number => outcomes.filter(test).length;
  const right = count(({ ending }) => ending === "right");
  const bound = count(({ ending, bound: isBound }) => ending === "right" && isBound);
  const ways = [...new Set(outcomes.flatMap(({ by }) => by ?? []))].sort();
  const byWay = ways.map((way) => `${count(({ by }) => by === way)} ${way}`).join(", ");
  const rest = (["rejected", "wrong", "crashed"] as const).map(
    (one) => `${count(({ ending }) => ending === one)} ${one}`,
  );
  return `${outcomes.length} cases: ${right} right (${byWay}; ${bound} of them with bound inputs), ${rest.join(", ")}.`;
}

function line(operator: string, { versions, outcomes }: Row): string {
  const right = outcomes.filter(({ ending }) => ending === "right");
  const compiled = right.filter(({ by }) => by !== "eager").length;
  const cell = (count: number): string => (count === 0 ? "" : String(count));
  const cells = [
    operator,
    versions.join(", "),
    cell(compiled),
    cell(right.length - compiled),
    cell(right.filter(({ bound }) => bound).length),
    rejections(outcomes),
  ];
  return `| ${cells.join(" | ")} |`;
}

function rejections(outcomes: readonly Outcome[]): string {
  const counts = new Map<string, number>();
  for (const { ending, code } of outcomes) {
    if (ending === "right") continue;
    const reason = ending === "rejected" ? code! : `**${ending}**`;
    counts.set(reason, (counts.get(reason) ?? 0) + 1);
  }
  return [...counts].map(([reason, count]) => `${count} ${reason}`).join(", ");
}
