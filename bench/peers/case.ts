/**
 * A fault of another library, told so that it can come out otherwise: every case runs what it accuses twice, once with
 * what brings the fault about and once without, and says "reproduced" only where the first goes wrong and the second
 * does not.
 */

export interface PeerCase {
  readonly id: string;
  /** Cases of one number show one fault. */
  readonly item: number;
  readonly library: PeerName;
  /** What is claimed, in one sentence. */
  readonly claim: string;
  /** Where it was told in public, or the place in the library's source. */
  readonly source: string;
  reproduce(): Promise<Reproduction>;
}

export const peerNames = ["cockatiel", "opossum", "mollitia"] as const;
export type PeerName = (typeof peerNames)[number];

export interface Reproduction {
  readonly reproduced: boolean;
  /** What was seen, with numbers. */
  readonly observed: string;
}

/** The same situation with Holdfast in it. */
export interface Answer {
  readonly holds: boolean;
  readonly observed: string;
}

/** By the ids of the cases. */
export type Answers = Readonly<Record<string, () => Promise<Answer>>>;

/** The library did not even do what it should without the trigger: nothing can be concluded. */
export class ControlFailure extends Error {}

/** `control` is what must hold without the trigger. */
export function verdict(control: boolean, reproduced: boolean, observed: string): Reproduction {
  if (!control) throw new ControlFailure(`the control failed; seen: ${observed}`);
  return { reproduced, observed };
}
