/**
 * All that is derived for a segment, said in one place: flushes and compactions on the caller's thread and those in a
 * worker, to which no function can be sent, make the same sections.
 */

import { graphSectionBuilder, type SectionBuilders } from "./derived-sections.ts";

/** The graph. */
export const sectionBuilders: SectionBuilders = () => [graphSectionBuilder()];
