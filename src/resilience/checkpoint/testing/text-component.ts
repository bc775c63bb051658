/** A component whose state is a text, and which remembers what it was given back. */
import { utf8, utf8Text } from "../../../base/index.ts";
import type { Checkpointed } from "../component.ts";
import type { CheckpointInfo } from "../envelope.ts";

export interface TextComponent extends Checkpointed {
  text: string;
  readonly given: CheckpointInfo[];
}

export function textComponent(id: string, options: { readonly formatVersion?: number } = {}): TextComponent {
  return {
    id,
    text: "",
    given: [],
    ...options,
    save() {
      return utf8(this.text);
    },
    restore(state, info) {
      this.text = utf8Text(state);
      this.given.push(info);
    },
  };
}
