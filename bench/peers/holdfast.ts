/**
 * Holdfast in the situations of the cases, by their ids: each half runs in a process of its own, like the peer's.
 * What is missing here is shown as still to come.
 */
import type { Answers } from "./case.ts";
import { callAnswers } from "./holdfast-calls.ts";
import { healthAnswers } from "./holdfast-health.ts";
import { restartAnswers } from "./holdfast-restart.ts";
import { stateAnswers } from "./holdfast-state.ts";

export const holdfastAnswers: Answers = { ...stateAnswers, ...restartAnswers, ...callAnswers, ...healthAnswers };
