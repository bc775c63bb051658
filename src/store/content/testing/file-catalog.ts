/** A catalog in a file of its own, for tests of the content log without the rest of the store. */

import { utf8, utf8Text } from "../../../base/index.ts";
import type { Disk } from "../../../disk/index.ts";
import type { ContentCatalog, ContentFileFacts } from "../content-log.ts";

interface State {
  readonly files: readonly ContentFileFacts[];
  readonly next: number;
}

export class FileCatalog implements ContentCatalog {
  readonly #disk: Disk;
  readonly #folder: string;
  #last: Promise<void> = Promise.resolve();
  #state: State;

  private constructor(disk: Disk, folder: string, state: State) {
    this.#disk = disk;
    this.#folder = folder;
    this.#state = state;
  }

  static async open(disk: Disk, folder: string): Promise<FileCatalog> {
    await disk.makeFolder(folder);
    const path = `${folder}/catalog.json`;
    const there = (await disk.stat(path)) !== undefined;
    const state = there ? (JSON.parse(utf8Text(await disk.readFile(path))) as State) : undefined;
    return new FileCatalog(disk, folder, state ?? { files: [], next: 1 });
  }

  get files(): readonly ContentFileFacts[] {
    return this.#state.files;
  }

  newFileId(): number {
    const { files, next } = this.#state;
    this.#state = { files, next: next + 1 };
    return next;
  }

  pathOf(id: number): string {
    return `${this.#folder}/${id}.content`;
  }

  async release(id: number): Promise<void> {
    await this.#disk.remove(this.pathOf(id));
  }

  /** One after the other, as the store's manifest does it. */
  commit(edit: Parameters<ContentCatalog["commit"]>[0]): Promise<void> {
    const done = this.#last.then(() => this.#commit(edit));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #commit({ add, remove }: Parameters<ContentCatalog["commit"]>[0]): Promise<void> {
    const files = [...this.#state.files.filter(({ file }) => !remove.includes(file)), ...add];
    const bytes = utf8(JSON.stringify({ files, next: this.#state.next }));
    await this.#disk.writeFileAtomic(`${this.#folder}/catalog.json`, bytes);
    this.#state = { ...this.#state, files };
  }
}
