/**
 * All that is derived for a segment, said in one place: flushes and compactions on the caller's thread and those in a
 * worker, to which no function can be sent, make the same sections.
 */

import { graphSectionBuilder, type SectionBuilders } from "./derived-sections.ts";
import { vectorSectionBuilders } from "./vector-sections.ts";

/** The graph, and the vectors of each collection that has some. */
export const sectionBuilders: SectionBuilders = (context) => [graphSectionBuilder(), ...vectorSectionBuilders(context)];
