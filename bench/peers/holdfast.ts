/**
 * Holdfast in the situations of the cases, by their ids: each half runs in a process of its own, like the peer's.
 * What is missing here is shown as still to come.
 */
import type { Answer } from "./case.ts";

export const holdfastAnswers: Readonly<Record<string, () => Promise<Answer>>> = {};
