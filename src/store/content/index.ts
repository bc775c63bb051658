export { type ContentHandle, decodeHandle, encodeHandle } from "./content-handle.ts";
export {
  type CompactionProgress,
  type CompactionResult,
  type CompactOptions,
  type ContentCatalog,
  type ContentFileFacts,
  type StagedContent,
  type ContentFileStatistics,
  ContentLog,
  type ContentLogOptions,
} from "./content-log.ts";
export type { ContentWriter, WrittenContent } from "./content-writer.ts";
