/** What a platform holds a cell to. What it cannot enforce is listed too, so that nobody believes in it. */

export interface Enforcement {
  readonly measure:
    | "heap"
    | "data"
    | "resident-size"
    | "cpu-time"
    | "network"
    | "files"
    | "child-processes"
    | "core-dumps"
    | "death-with-parent"
    | "oom-preference"
    | "fault-address";
  readonly enforced: boolean;
  /** How, or why not and what would mend it. */
  readonly means: string;
}
