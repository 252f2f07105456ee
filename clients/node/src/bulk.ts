// Streams of many items: bounded, and resumed after a broken connection.
//
// An item without a result is sent again over the next stream, after a drain, a broken connection or
// a transient failure of the item. So the items of additions must be safe to repeat: the client lets
// the gateway accept the same bytes again.

import type { ClientDuplexStream } from "@grpc/grpc-js";

import { onAbort } from "./abort";
import { backoffMs, sleep, STREAM_ATTEMPTS } from "./backoff";
import { cancel } from "./channel";
import { SamegateError } from "./errors";
import type * as pb from "./gen/samegate/v1/same_image_pb";

/** Items in memory at once, as many as the gateway has in flight by default. */
const DEFAULT_WINDOW = 16;
/** Times that an item is sent if it fails for a transient reason. */
const ITEM_ATTEMPTS = 3;

/** What became of one item. */
export interface Outcome<I, R> {
  /** The item as it was passed. */
  item: I;
  /** The message of the contract; undefined if the item was not sent. */
  result?: R;
  /** Undefined if the item succeeded. */
  error?: SamegateError;
}

/** @internal What AddImagesResult and BulkSearchImagesResult have in common. */
export interface Result {
  key: string;
  status?: pb.Status;
  matches: pb.Match[];
}

/** @internal */
export interface Response<R> {
  event: { case: "result"; value: R } | { case: "progress" | "drain" | "summary" | undefined };
}

/** @internal What differs between additions and searches. */
export interface Kind<I, R> {
  open(): Promise<ClientDuplexStream<Buffer, Response<R>>>;
  /** The first message of each stream. */
  options: Buffer;
  encode(key: string, item: I): Promise<Buffer>;
}

interface Pending<I> {
  item: I;
  message: Buffer;
  attempts: number;
  retry?: NodeJS.Timeout;
}

/**
 * @internal One bulk load or bulk search over as many streams as it needs.
 *
 * The caller takes outcomes from the generator, while `#feed` takes items from the caller's iterable.
 * So neither a slow iterable nor one that waits for outcomes holds anything up. Items that are
 * pending, or whose outcome was not taken yet, are never more than the window.
 */
export class Run<I, R extends Result> {
  readonly #kind: Kind<I, R>;
  readonly #items: Iterable<I> | AsyncIterable<I>;
  readonly #window: number;
  readonly #signal: AbortSignal | undefined;
  readonly #pending = new Map<string, Pending<I>>();
  readonly #unsent: Outcome<I, R>[] = [];
  /** The stream, as long as it takes items. */
  #stream: ClientDuplexStream<Buffer, Response<R>> | undefined;
  #isExhausted = false;
  #isClosed = false;
  #sourceError: { error: unknown } | undefined;
  #waiting: (() => void)[] = [];

  constructor(
    kind: Kind<I, R>,
    items: Iterable<I> | AsyncIterable<I>,
    window: number | undefined,
    signal: AbortSignal | undefined,
  ) {
    this.#kind = kind;
    this.#items = items;
    this.#window = window || DEFAULT_WINDOW;
    this.#signal = signal;
  }

  /** Yields the outcome of each item, in the order of completion. */
  async *outcomes(): AsyncGenerator<Outcome<I, R>, void, undefined> {
    this.#signal?.throwIfAborted();
    const forget = onAbort(this.#signal, () => this.#changed());
    void this.#feed();
    try {
      yield* this.#allStreams();
    } finally {
      // Also when the caller stops reading: no further item is taken or sent.
      this.#isClosed = true;
      this.#changed();
      forget();
    }
    if (this.#sourceError) throw this.#sourceError.error;
  }

  async *#allStreams(): AsyncGenerator<Outcome<I, R>, void, undefined> {
    let failures = 0;
    while (true) {
      await this.#until(() => this.#pending.size + this.#unsent.length > 0 || this.#isExhausted);
      if (this.#pending.size === 0) {
        const outcome = this.#takeUnsent();
        if (!outcome) return;
        yield outcome;
        continue;
      }
      const { results, error } = yield* this.#oneStream();
      const isDone = this.#isExhausted && this.#pending.size === 0;
      const isFailure = results === 0 && (error !== undefined || this.#pending.size > 0);
      failures = isFailure ? failures + 1 : 0;
      if (isDone) continue;
      if (error && !error.isTransient) throw error;
      if (failures >= STREAM_ATTEMPTS) {
        throw error ?? new SamegateError(undefined, "the gateway ended the stream without a result");
      }
      if (failures) await sleep(Math.max(error?.retryAfterMs ?? 0, backoffMs(failures)), this.#signal);
    }
  }

  /** Yields the outcomes of one stream; returns the number of results, and its error if any. */
  async *#oneStream(): AsyncGenerator<Outcome<I, R>, { results: number; error?: SamegateError }, undefined> {
    const stream = await this.#kind.open();
    // Bounded: each item in the window has one result.
    const responses: Response<R>[] = [];
    let failure: unknown;
    let isEnded = false;
    // What is written to a stream that has its status would stay in gRPC's retry buffer.
    const stop = () => {
      if (this.#stream === stream) this.#stream = undefined;
    };
    const end = () => {
      stop();
      isEnded = true;
      this.#changed();
    };
    stream.on("data", (response: Response<R>) => {
      responses.push(response);
      this.#changed();
    });
    // Comes before `end`.
    stream.on("error", (error) => {
      stop();
      failure ??= error;
    });
    stream.on("end", end).on("close", end);
    this.#stream = stream;
    stream.write(this.#kind.options);
    for (const { message } of this.#pending.values()) stream.write(message);
    this.#endWhenDone();
    let results = 0;
    try {
      while (true) {
        await this.#until(() => this.#unsent.length + responses.length > 0 || isEnded);
        const response = responses.shift();
        const event = response?.event;
        if (event?.case === "drain") this.#endRequests();
        if (event?.case === "result") results += 1;
        const outcome = event?.case === "result" ? this.#settled(event.value) : this.#takeUnsent();
        if (outcome) yield outcome;
        else if (!response) return { results, error: failure ? SamegateError.fromCall(failure) : undefined };
      }
    } finally {
      stop();
      for (const { retry } of this.#pending.values()) clearTimeout(retry);
      cancel(stream);
    }
  }

  /** Takes the items while there is room. */
  async #feed(): Promise<void> {
    let key = 0;
    try {
      for await (const item of this.#items) {
        await this.#take(String(key++), item);
        await this.#until(() => this.#isClosed || this.#pending.size + this.#unsent.length < this.#window);
        if (this.#isClosed) return;
      }
    } catch (error) {
      // The caller's: thrown when all items before it are done.
      this.#sourceError = { error };
    }
    this.#isExhausted = true;
    this.#endWhenDone();
    this.#changed();
  }

  /** Makes an item pending, or its outcome if it cannot be sent. */
  async #take(key: string, item: I): Promise<void> {
    try {
      const message = await this.#kind.encode(key, item);
      this.#pending.set(key, { item, message, attempts: 0 });
      this.#stream?.write(message);
    } catch (cause) {
      // What is no item must not end the run.
      const invalid = () => new SamegateError(undefined, String(cause), { reason: "INVALID_ITEM", cause });
      this.#unsent.push({ item, error: cause instanceof SamegateError ? cause : invalid() });
    }
    this.#changed();
  }

  #takeUnsent(): Outcome<I, R> | undefined {
    const outcome = this.#unsent.shift();
    this.#changed();
    return outcome;
  }

  /** Returns the outcome of an item; undefined if it is sent again. */
  #settled(result: R): Outcome<I, R> | undefined {
    const { key, status, matches } = result;
    const pending = this.#pending.get(key);
    if (!pending) return undefined;
    const error = status && status.code !== 0 ? SamegateError.fromItem(status, matches) : undefined;
    if (error?.reason === "SHUTTING_DOWN") return undefined;
    pending.attempts += 1;
    if (error?.isTransient && pending.attempts < ITEM_ATTEMPTS) {
      const stream = this.#stream;
      // The next stream sends it in any case.
      const retry = () => stream && stream === this.#stream && stream.write(pending.message);
      pending.retry = setTimeout(retry, backoffMs(pending.attempts));
      return undefined;
    }
    this.#pending.delete(key);
    this.#endWhenDone();
    this.#changed();
    return { item: pending.item, result, error };
  }

  #endWhenDone(): void {
    if (this.#isExhausted && this.#pending.size === 0) this.#endRequests();
  }

  #endRequests(): void {
    this.#stream?.end();
    this.#stream = undefined;
  }

  /** Waits for a condition on this run; throws the reason of the signal when that is aborted. */
  async #until(condition: () => boolean): Promise<void> {
    for (;;) {
      this.#signal?.throwIfAborted();
      if (condition()) return;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
