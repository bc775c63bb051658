/**
 * Files and folders as the system's cache shows them, beside what of them is durable.
 *
 * A file keeps, for each sector that was written since the last sync, every content it had since: any of them may be
 * what the device holds when the power goes. So with sizes, and with the entries of a folder.
 */

/** What a device writes as one. */
export const sectorBytes = 512;

interface PendingSector {
  /** The bytes of the sector that were written since the last sync: only these can tear. */
  from: number;
  to: number;
  readonly contents: Uint8Array[];
}

/** One thing that a power cut leaves open. The first option is what was durable, the second what came last. */
export interface Doubt<T> {
  readonly about: string;
  readonly options: readonly T[];
}

export interface FileDoubts {
  readonly size: Doubt<number>;
  readonly sectors: ReadonlyMap<number, Doubt<Uint8Array>>;
}

const zeroSector = new Uint8Array(sectorBytes);

export class SimFileNode {
  readonly kind = "file";
  #cached: Uint8Array;
  #size: number;
  #durable: Uint8Array;
  #durableSize: number;
  #pending = new Map<number, PendingSector>();
  #pendingSizes: number[] = [];

  /** A file whose content is durable. Takes the bytes over. */
  constructor(bytes: Uint8Array = new Uint8Array(0)) {
    this.#cached = bytes.slice();
    this.#durable = bytes;
    this.#size = bytes.length;
    this.#durableSize = bytes.length;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  /** As after the death of the process: nothing is lost, and nothing more is durable. */
  clone(): SimFileNode {
    const copy = new SimFileNode();
    copy.#cached = this.#cached.slice();
    copy.#size = this.#size;
    copy.#durable = this.#durable.slice();
    copy.#durableSize = this.#durableSize;
    for (const [sector, { from, to, contents }] of this.#pending)
      copy.#pending.set(sector, { from, to, contents: [...contents] });
    copy.#pendingSizes = [...this.#pendingSizes];
    return copy;
  }

  read(target: Uint8Array, offset: number): number {
    const count = Math.max(0, Math.min(target.length, this.#size - offset));
    target.set(this.#cached.subarray(offset, offset + count));
    return count;
  }

  write(bytes: Uint8Array, offset: number): void {
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    this.#cached = grown(this.#cached, end);
    this.#cached.set(bytes, offset);
    if (end > this.#size) this.#setSize(end);
    this.#touch(offset, end);
  }

  truncate(sizeBytes: number): void {
    const before = this.#size;
    if (sizeBytes === before) return;
    this.#cached = grown(this.#cached, sizeBytes);
    if (sizeBytes < before) {
      this.#cached.fill(0, sizeBytes, before);
      this.#touch(sizeBytes, before);
    }
    this.#setSize(sizeBytes);
  }

  /** Everything is durable. */
  sync(): void {
    this.#durable = grown(this.#durable, this.#size);
    for (const [sector, { contents }] of this.#pending) putSector(this.#durable, sector, contents.at(-1) ?? zeroSector);
    if (this.#pendingSizes.length > 0) this.#durableSize = this.#size;
    this.loseTrack();
  }

  /** What is not durable counts as clean: no later sync makes it so, unless it is written again. */
  loseTrack(): void {
    this.#pending.clear();
    this.#pendingSizes = [];
  }

  doubts(name: string): FileDoubts {
    const sectors = new Map<number, Doubt<Uint8Array>>();
    for (const [sector, pending] of this.#pending) {
      const about = `bytes ${sector * sectorBytes}.. of ${name}`;
      sectors.set(sector, { about, options: this.#contentsOf(sector, pending) });
    }
    const sizes = [
      ...new Set([this.#durableSize, this.#pendingSizes.at(-1) ?? this.#durableSize, ...this.#pendingSizes]),
    ];
    return { size: { about: `size of ${name}`, options: sizes }, sectors };
  }

  /** The file as the power cut left it, with these options for what was in doubt. */
  survivor(sizeBytes: number, sectors: ReadonlyMap<number, Uint8Array>): SimFileNode {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.#durable.subarray(0, Math.min(sizeBytes, this.#durableSize)));
    for (const [sector, content] of sectors) putSector(bytes, sector, content);
    return new SimFileNode(bytes);
  }

  #setSize(sizeBytes: number): void {
    this.#size = sizeBytes;
    this.#pendingSizes.push(sizeBytes);
  }

  /** Notes the new content of the sectors that hold these bytes. */
  #touch(offset: number, end: number): void {
    for (let sector = Math.floor(offset / sectorBytes); sector * sectorBytes < end; sector++) {
      const start = sector * sectorBytes;
      const from = Math.max(0, offset - start);
      const to = Math.min(sectorBytes, end - start);
      const content = sectorOf(this.#cached, sector, this.#cached.length);
      const pending = this.#pending.get(sector);
      if (pending === undefined) this.#pending.set(sector, { from, to, contents: [content] });
      else {
        pending.from = Math.min(pending.from, from);
        pending.to = Math.max(pending.to, to);
        pending.contents.push(content);
      }
    }
  }

  #contentsOf(sector: number, { from, to, contents }: PendingSector): Uint8Array[] {
    const lost = sectorOf(this.#durable, sector, this.#durableSize);
    const kept = contents.at(-1) ?? lost;
    const half = lost.slice();
    const middle = from + Math.ceil((to - from) / 2);
    half.set(kept.subarray(from, middle), from);
    const options = distinct([lost, kept, ...contents, half]);
    // Where nothing but zeros can stand, they were never data.
    if (options.length === 1 && isZero(lost)) return options;
    const torn = kept.slice();
    for (let place = from; place < to; place++) torn[place] = garbage(sector * sectorBytes + place);
    return [lost, kept, ...options.filter((option) => option !== lost && option !== kept), torn];
  }
}

export type SimNode = SimFileNode | SimFolderNode;

export class SimFolderNode {
  readonly kind = "folder";
  readonly entries = new Map<string, SimNode>();
  #durable = new Map<string, SimNode>();
  #pending = new Map<string, (SimNode | undefined)[]>();

  set(name: string, node: SimNode | undefined): void {
    const history = this.#pending.get(name);
    if (history === undefined) this.#pending.set(name, [node]);
    else history.push(node);
    if (node === undefined) this.entries.delete(name);
    else this.entries.set(name, node);
  }

  /** Sets an entry that is durable at once. */
  setDurable(name: string, node: SimNode): void {
    this.entries.set(name, node);
    this.#durable.set(name, node);
  }

  sync(): void {
    for (const name of this.#pending.keys()) {
      const node = this.entries.get(name);
      if (node === undefined) this.#durable.delete(name);
      else this.#durable.set(name, node);
    }
    this.loseTrack();
  }

  loseTrack(): void {
    this.#pending.clear();
  }

  /** One doubt for each entry that a power cut may leave: those with one option are sure. */
  doubts(name: string): ReadonlyMap<string, Doubt<SimNode | undefined>> {
    const doubts = new Map<string, Doubt<SimNode | undefined>>();
    for (const [entry, node] of this.#durable) {
      if (!this.#pending.has(entry)) doubts.set(entry, { about: `${name}/${entry}`, options: [node] });
    }
    for (const [entry, history] of this.#pending) {
      const options = [...new Set([this.#durable.get(entry), history.at(-1), ...history])];
      doubts.set(entry, { about: `${name}/${entry}`, options });
    }
    return doubts;
  }

  clone(clones: Map<SimNode, SimNode> = new Map()): SimFolderNode {
    const copy = new SimFolderNode();
    clones.set(this, copy);
    const cloned = (node: SimNode): SimNode => {
      const found = clones.get(node) ?? node.clone(clones);
      clones.set(node, found);
      return found;
    };
    for (const [name, node] of this.entries) copy.entries.set(name, cloned(node));
    for (const [name, node] of this.#durable) copy.#durable.set(name, cloned(node));
    for (const [name, history] of this.#pending)
      copy.#pending.set(
        name,
        history.map((node) => (node === undefined ? undefined : cloned(node))),
      );
    return copy;
  }
}

function grown(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  if (sizeBytes <= bytes.length) return bytes;
  const larger = new Uint8Array(Math.ceil(Math.max(sizeBytes, bytes.length * 1.5) / sectorBytes) * sectorBytes);
  larger.set(bytes);
  return larger;
}

/** A copy of one sector, zeros behind `sizeBytes`. */
function sectorOf(bytes: Uint8Array, sector: number, sizeBytes: number): Uint8Array {
  const content = new Uint8Array(sectorBytes);
  const start = sector * sectorBytes;
  content.set(bytes.subarray(Math.min(start, sizeBytes), Math.min(start + sectorBytes, sizeBytes)));
  return isZero(content) ? zeroSector : content;
}

/** Writes a sector, as far as the file reaches. */
function putSector(bytes: Uint8Array, sector: number, content: Uint8Array): void {
  const start = sector * sectorBytes;
  if (start < bytes.length) bytes.set(content.subarray(0, bytes.length - start), start);
}

function distinct(contents: readonly Uint8Array[]): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const content of contents) if (!found.some((one) => Buffer.compare(one, content) === 0)) found.push(content);
  return found;
}

function isZero(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes, zeroSector.subarray(0, bytes.length)) === 0;
}

/** Never zero, and not the same in a row. */
function garbage(place: number): number {
  return (Math.imul(place + 1, 0x9e3779b1) >>> 24) | 1;
}
