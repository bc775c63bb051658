export { type ContentHandle, decodeHandle, encodeHandle } from "./content-handle.ts";
export {
  type ContentCatalog,
  type ContentEdit,
  type ContentFileFacts,
  ContentLog,
  type StagedContent,
} from "./content-log.ts";
export type { ContentWriter, WrittenContent } from "./content-writer.ts";
