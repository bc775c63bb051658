/** The faults as a table for people, or as JSON for programs. */
import { table } from "../table.ts";
import type { PeerCase, PeerName } from "./case.ts";

/** What one process found out. */
export type HalfResult =
  /** `yes`: the fault is there; of Holdfast's half: it holds. */
  | { readonly decided: true; readonly yes: boolean; readonly observed: string }
  | { readonly decided: false; readonly observed: string };

export interface Shown {
  readonly case: PeerCase;
  readonly peer: HalfResult;
  readonly holdfast?: HalfResult;
}

export type Versions = Readonly<Record<PeerName, string>>;

export function textReport(shown: readonly Shown[], versions: Versions): string {
  const rows = shown.map((one) => [
    `${one.case.item}  ${one.case.id}`,
    `${one.case.library} ${versions[one.case.library]}`,
    reproduced(one),
    held(one),
  ]);
  const details = shown.flatMap((one) => [
    "",
    `${one.case.item}  ${one.case.id}: ${reproduced(one)}`,
    `   claim     ${one.case.claim}`,
    `   from      ${one.case.source}`,
    `   observed  ${one.peer.observed}`,
    `   holdfast  ${one.holdfast === undefined ? "to come" : `${held(one)}: ${one.holdfast.observed}`}`,
  ]);
  const count = shown.filter(({ peer }) => peer.decided && peer.yes).length;
  return [
    ...table(["case", "library", "reproduced", "holdfast"], rows),
    ...details,
    "",
    `${count} of ${shown.length} reproduced, Node ${process.version}.`,
  ].join("\n");
}

export function jsonReport(shown: readonly Shown[], versions: Versions): string {
  const results = shown.map(({ case: { id, item, library, claim, source }, peer, holdfast }) => ({
    id,
    item,
    library,
    version: versions[library],
    claim,
    source,
    peer,
    holdfast: holdfast ?? null,
  }));
  return JSON.stringify({ node: process.version, results }, undefined, 2);
}

function reproduced({ peer }: Shown): string {
  if (!peer.decided) return "UNDECIDED";
  return peer.yes ? "yes" : "no";
}

function held({ holdfast }: Shown): string {
  if (holdfast === undefined) return "to come";
  if (!holdfast.decided) return "UNDECIDED";
  return holdfast.yes ? "holds" : "FAILS";
}
