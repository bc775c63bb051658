export { type ContentHandle, decodeHandle, encodeHandle } from "./content-handle.ts";
export {
  type CompactionProgress,
  type CompactionResult,
  type CompactOptions,
  type ContentCatalog,
  type ContentEdit,
  type ContentFileFacts,
  type ContentFileStatistics,
  ContentLog,
  type ContentLogOptions,
  type StagedContent,
} from "./content-log.ts";
export type { ContentWriter, WrittenContent } from "./content-writer.ts";
