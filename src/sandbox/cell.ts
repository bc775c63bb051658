/**
 * One cell: a child process, seen from its parent.
 *
 *   starting -> ready <-> busy -> gone
 *       \_________\________\____> ending -> gone
 *
 * The parent owns every deadline and limit, says what it means to do before it kills, kills the whole process group at
 * once and without asking first, and calls a job ended only when the process is gone or has answered.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { assert, type Clock, utf8Text } from "../base/index.ts";
import { type Death, type Intent, verdictOfDeath } from "./classify.ts";
import { engineAllowanceBytes, limitData, type Platform } from "./enforcement.ts";
import { type Frame, FrameDecoder, FrameType, frameHeader } from "./frame.ts";
import { LogTail } from "./log-tail.ts";
import { jobParts, readFailure } from "./message.ts";
import type { CellJob } from "./options.ts";
import { killGroup, killOrphans, processMemory, processorTimeMs } from "./process-table.ts";
import type { CellOutcome, Verdict } from "./verdict.ts";

export interface CellSetup {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly platform: Platform;
  readonly memoryLimitBytes: number;
  /** False where RLIMIT_DATA is waived. */
  readonly limitsData: boolean;
  readonly cpuLimitMs: number | undefined;
  readonly payloadLimitBytes: number;
  readonly bootstrapTimeoutMs: number;
  readonly clock: Clock;
}

export interface CellListener {
  ready(cell: Cell, bootMs: number): void;
  /** A job has ended and the process lives on. */
  idle(cell: Cell): void;
  /** The process is gone; a job it had has been given the same verdict. */
  gone(cell: Cell, verdict: Verdict, wasReady: boolean): void;
}

interface ActiveJob {
  readonly number: number;
  readonly startedMs: number;
  readonly cpuAtStartMs: number;
  readonly timeoutMs: number;
  readonly resolve: (outcome: CellOutcome) => void;
  readonly release: () => void;
  phase: string | undefined;
}

const watchBusyMs = 100;
const watchIdleMs = 1_000;
/** Output may still be on its way when the exit is seen; a grandchild that holds the pipes open is not waited for. */
const drainMs = 200;
/** The kernel may hold a killed process (a stuck disk, say); the job does not wait for it longer than this. */
const burialMs = 1_000;

const livingGroups = new Set<number>();

/** Where the parent ends in an orderly way, its cells end before it. The kernel sees to the disorderly ways. */
function killAllAtExit(): void {
  for (const pid of livingGroups) killGroup(pid);
}

export class Cell {
  readonly #setup: CellSetup;
  readonly #listener: CellListener;
  readonly #child: ChildProcess;
  readonly #channel: Socket | undefined;
  readonly #decoder: FrameDecoder;
  readonly #log = new LogTail();
  readonly #startedMs: number;
  readonly #gone = Promise.withResolvers<void>();
  #state: "starting" | "ready" | "busy" | "ending" | "gone" = "starting";
  #wasReady = false;
  #intent: Intent | undefined;
  #job: ActiveJob | undefined;
  #jobsStarted = 0;
  #residentLimitBytes = Number.POSITIVE_INFINITY;
  #stopBootTimer: () => void;
  #stopWatch: () => void = () => {};
  #stopBurial: () => void = () => {};

  constructor(setup: CellSetup, listener: CellListener) {
    this.#setup = setup;
    this.#listener = listener;
    this.#startedMs = setup.clock.monotonicMs();
    this.#decoder = new FrameDecoder(setup.payloadLimitBytes);
    const [program = "", ...args] = setup.command;
    this.#child = spawn(program, args, {
      cwd: "/",
      detached: true,
      env: { ...setup.environment },
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    this.#channel = this.#child.stdio[3] instanceof Socket ? this.#child.stdio[3] : undefined;
    this.#stopBootTimer = setup.clock.schedule(setup.bootstrapTimeoutMs, () =>
      this.kill({ kind: "bootstrap", message: `the cell was not ready within ${setup.bootstrapTimeoutMs} ms` }),
    );
    this.#listen();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get state(): "starting" | "ready" | "busy" | "ending" | "gone" {
    return this.#state;
  }

  get jobsStarted(): number {
    return this.#jobsStarted;
  }

  /** Settles when the process is gone. */
  get whenGone(): Promise<void> {
    return this.#gone.promise;
  }

  /** Whether an idle cell holds so much memory that the next job would have little left of its share. */
  get isWorn(): boolean {
    const memory = processMemory(this.pid);
    const share = this.#setup.memoryLimitBytes + engineAllowanceBytes;
    return memory !== undefined && memory.residentBytes > this.#residentLimitBytes - share / 4;
  }

  run(job: CellJob): Promise<CellOutcome> {
    assert(this.#state === "ready", "only a ready cell takes a job");
    this.#state = "busy";
    this.#jobsStarted++;
    this.#log.clear();
    const { promise, resolve } = Promise.withResolvers<CellOutcome>();
    this.#job = { ...this.#guard(job), resolve, phase: undefined };
    this.#send(this.#job.number, jobParts(job.kind, job.payload));
    this.#watch();
    return promise;
  }

  /** Says why and kills, once; the first intent stands. */
  kill(intent: Intent): void {
    if (this.#state === "ending" || this.#state === "gone") return;
    this.#intent = intent;
    this.#state = "ending";
    this.#stopBootTimer();
    this.#stopWatch();
    if (this.pid !== 0) killGroup(this.pid);
    this.#stopBurial = this.#setup.clock.schedule(burialMs, () => this.#bury(undefined, undefined));
  }

  /** The deadline and the cancellation of a job, and how to take them off again. */
  #guard(job: CellJob): Omit<ActiveJob, "resolve" | "phase"> {
    const { clock } = this.#setup;
    const number = this.#jobsStarted;
    const onAbort = (): void => this.kill({ kind: "cancelled", message: "the caller gave the job up" });
    const onDeadline = (): void => {
      // A parent that was busy itself may have the reply in its hands, unread: one more look before the kill.
      setImmediate(() => {
        if (this.#job?.number !== number || this.#state !== "busy") return;
        this.kill({ kind: "deadline", message: `the job was not done within ${job.timeoutMs} ms` });
      });
    };
    const stopDeadline = clock.schedule(job.timeoutMs, onDeadline);
    job.signal?.addEventListener("abort", onAbort, { once: true });
    const release = (): void => {
      stopDeadline();
      job.signal?.removeEventListener("abort", onAbort);
    };
    const cpuAtStartMs = this.#setup.cpuLimitMs === undefined ? 0 : (processorTimeMs(this.pid) ?? 0);
    return { number, startedMs: clock.monotonicMs(), cpuAtStartMs, timeoutMs: job.timeoutMs, release };
  }

  #listen(): void {
    const child = this.#child;
    if (child.pid !== undefined) {
      if (livingGroups.size === 0) process.once("exit", killAllAtExit);
      livingGroups.add(child.pid);
    }
    child.unref();
    for (const stream of [child.stdout, child.stderr]) this.#capture(stream);
    const channel = this.#channel;
    if (channel !== undefined) {
      channel.unref();
      channel.on("data", (chunk: Uint8Array) => this.#receive(chunk));
      // What a dead cell does to its pipe is told by its exit.
      channel.on("error", () => {});
      channel.on("end", () => this.#afterChannelEnd());
    }
    child.on("error", (failure) => {
      if (child.pid !== undefined) return;
      this.#intent ??= { kind: "bootstrap", message: `the cell could not be started: ${failure.message}` };
      this.#bury(undefined, undefined);
    });
    child.once("exit", (code, signal) => this.#afterExit(code ?? undefined, signal ?? undefined));
  }

  #capture(stream: Readable | null): void {
    if (stream instanceof Socket) stream.unref();
    stream?.setEncoding("utf8");
    stream?.on("data", (text: string) => this.#log.push(text));
    stream?.on("error", () => {});
  }

  #afterExit(code: number | undefined, signal: NodeJS.Signals | undefined): void {
    killOrphans(this.pid);
    livingGroups.delete(this.pid);
    if (livingGroups.size === 0) process.off("exit", killAllAtExit);
    const bury = (): void => {
      stop();
      this.#bury(code, signal);
    };
    const stop = this.#setup.clock.schedule(drainMs, bury);
    this.#child.once("close", bury);
  }

  #afterChannelEnd(): void {
    this.#setup.clock.schedule(drainMs, () => {
      const message = "the cell closed its pipe and lives on";
      if (this.#child.exitCode === null && this.#child.signalCode === null) this.kill({ kind: "protocol", message });
    });
  }

  #receive(chunk: Uint8Array): void {
    if (this.#state === "ending" || this.#state === "gone") return;
    try {
      for (const frame of this.#decoder.push(chunk)) this.#take(frame);
    } catch (failure) {
      this.kill({ kind: "protocol", message: failure instanceof Error ? failure.message : String(failure) });
    }
  }

  #take(frame: Frame): void {
    if (this.#state === "ending") return;
    const job = this.#job;
    if (this.#state === "starting" && frame.type === FrameType.ready) void this.#becomeReady();
    else if (this.#state === "starting" && frame.type === FrameType.bootstrapFailure) this.#failBootstrap(frame.body);
    else if (job === undefined || frame.job !== job.number) this.#unasked(frame);
    else if (frame.type === FrameType.phase) job.phase = utf8Text(frame.body.subarray(0, 4_000));
    else if (frame.type === FrameType.reply)
      this.#settle(job, { ok: true, payload: frame.body, durationMs: this.#since(job) });
    else if (frame.type === FrameType.error) this.#fail(job, frame.body);
    else this.#unasked(frame);
  }

  #unasked(frame: Frame): void {
    // A handler may report a phase from work it left behind; that is careless, not a lie.
    if (frame.type === FrameType.phase && this.#wasReady) return;
    this.kill({
      kind: "protocol",
      message: `the cell sent an unasked frame of type ${frame.type} for job ${frame.job}`,
    });
  }

  async #becomeReady(): Promise<void> {
    const { platform, memoryLimitBytes, limitsData, clock } = this.#setup;
    const memory = processMemory(this.pid);
    if (memory !== undefined) {
      const share = memoryLimitBytes + engineAllowanceBytes;
      this.#residentLimitBytes = memory.residentBytes + share;
      if (limitsData) await limitData(platform, this.pid, memory.dataBytes + share);
    }
    if (this.#state !== "starting") return;
    this.#stopBootTimer();
    this.#wasReady = true;
    this.#state = "ready";
    this.#watch();
    this.#listener.ready(this, clock.monotonicMs() - this.#startedMs);
  }

  #failBootstrap(body: Uint8Array): void {
    const { error } = readFailure(body);
    this.kill({ kind: "bootstrap", message: `the handler module did not load: ${error.message}`, error });
  }

  #fail(job: ActiveJob, body: Uint8Array): void {
    const note = readFailure(body);
    const kind = note.dataLimit ? "data-limit" : "error";
    const message = note.dataLimit ? `memory was refused: ${note.error.message}` : note.error.message;
    if (note.dataLimit || note.fatal) {
      // What is left of this process is not worth another job; the verdict follows when it is gone.
      this.kill({ kind, message, error: note.error });
      return;
    }
    // What the cell wrote to its log before the error is in the pipe already: let this turn of the loop read it.
    const durationMs = this.#since(job);
    setImmediate(() => {
      const phase = job.phase === undefined ? {} : { phase: job.phase };
      const verdict = {
        kind,
        message,
        error: note.error,
        logTail: this.#log.lines(),
        pid: this.pid,
        ...phase,
      } as const;
      if (this.#job === job && this.#state === "busy") this.#settle(job, { ok: false, verdict, durationMs });
    });
  }

  #settle(job: ActiveJob, outcome: CellOutcome): void {
    job.release();
    this.#job = undefined;
    this.#state = "ready";
    job.resolve(outcome);
    this.#listener.idle(this);
  }

  #since(job: ActiveJob): number {
    return this.#setup.clock.monotonicMs() - job.startedMs;
  }

  #watch(): void {
    this.#stopWatch();
    const delayMs = this.#state === "busy" ? watchBusyMs : watchIdleMs;
    this.#stopWatch = this.#setup.clock.schedule(delayMs, () => this.#check(), { background: true });
  }

  #check(): void {
    if (this.#state !== "ready" && this.#state !== "busy") return;
    const residentBytes = processMemory(this.pid)?.residentBytes ?? 0;
    if (residentBytes > this.#residentLimitBytes) {
      const [now, limit] = [residentBytes, this.#residentLimitBytes].map((bytes) => Math.round(bytes / 2 ** 20));
      this.kill({ kind: "memory-watchdog", message: `the cell held ${now} MiB of memory, ${limit} MiB are allowed` });
      return;
    }
    const { cpuLimitMs } = this.#setup;
    const usedMs = this.#job === undefined ? 0 : (processorTimeMs(this.pid) ?? 0) - this.#job.cpuAtStartMs;
    if (cpuLimitMs !== undefined && usedMs > cpuLimitMs) {
      this.kill({
        kind: "cpu-limit",
        message: `the job used ${usedMs} ms of processor time, ${cpuLimitMs} ms are allowed`,
      });
      return;
    }
    this.#watch();
  }

  #send(job: number, parts: readonly Uint8Array[]): void {
    const channel = this.#channel;
    assert(channel !== undefined, "a ready cell has a pipe");
    channel.cork();
    channel.write(frameHeader(FrameType.job, job, parts));
    for (const part of parts) channel.write(part);
    channel.uncork();
  }

  /** The end, once: from here on there is no process and no job. */
  #bury(exitCode: number | undefined, signal: NodeJS.Signals | undefined): void {
    if (this.#state === "gone") return;
    this.#state = "gone";
    this.#stopBootTimer();
    this.#stopWatch();
    this.#stopBurial();
    const job = this.#job;
    this.#job = undefined;
    const death: Death = {
      pid: this.#child.pid,
      intent: this.#intent,
      signal,
      exitCode,
      lastWords: this.#log.lastWords,
      logTail: this.#log.lines(),
      phase: job?.phase,
      wasReady: this.#wasReady,
    };
    const verdict = verdictOfDeath(death);
    for (const stream of this.#child.stdio) stream?.destroy();
    if (job !== undefined) {
      job.release();
      job.resolve({ ok: false, verdict, durationMs: this.#since(job) });
    }
    this.#gone.resolve();
    this.#listener.gone(this, verdict, this.#wasReady);
  }
}
