// One gRPC channel to a gateway, or to all its replicas: credentials, deadlines, retries.

import { Duplex } from "node:stream";

import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";

import { onAbort } from "./abort";
import { backoffMs, sleep } from "./backoff";
import { SamegateError } from "./errors";

const DEFAULT_TIMEOUT_MS = 30_000;
const KEEPALIVE_MS = 60_000;
/** The default of gRPC is 2 minutes, for which calls fail after a gateway is back. */
const MAX_RECONNECT_BACKOFF_MS = 5_000;
/**
 * gRPC sends a request again by itself that no gateway has read, such as one over a connection that
 * closes, unless it is larger: by default 1 MiB, less than a photo.
 */
const RETRY_BUFFER_BYTES = 64 * 1024 * 1024;
/** Of all calls together, by default 16 MiB. It holds what calls send anyway. */
const ALL_RETRY_BUFFERS_BYTES = 256 * 1024 * 1024;

/** Times that a call is sent, and the first backoff, unless the gateway asks for a longer wait. */
const CALL_ATTEMPTS = 4;
const CALL_BACKOFF_MS = 200;

/**
 * Methods that are sent again also after UNAVAILABLE, which may come after the gateway has done its work.
 * RESOURCE_EXHAUSTED of a gateway never does, so every method is sent again after it.
 */
const IDEMPOTENT = new Set([
  "SearchImages",
  "UpdateImage",
  "GetLibrary",
  "ListImages",
  "GetImage",
  "ListTags",
  "ListLibraries",
  "CompareImages",
  "GetState",
]);

/**
 * Calls go to all replicas of a name, one after the other. It has no retry policy: gRPC would begin a
 * wait that ends after the deadline, and its DEADLINE_EXCEEDED would hide why the gateway has rejected
 * the call.
 */
const SERVICE_CONFIG = { loadBalancingConfig: [{ round_robin: {} }] };

/** Contents of PEM files. Default: the authorities that come with Node, no client certificate. */
export interface Tls {
  ca?: Uint8Array | string;
  cert?: Uint8Array | string;
  key?: Uint8Array | string;
}

export interface ClientOptions {
  /** A key or a JWT, or a function that returns the present one and is called for each call. */
  apiKey?: string | (() => string | Promise<string>);
  /** The library of all calls. Default: the tenant's first one. */
  library?: string;
  /**
   * Limits each call, its retries and the wait for its key included, in milliseconds; of streams, the
   * wait for the key. Default: 30,000.
   */
  timeoutMs?: number;
  /** `true` for the defaults. Without it the connection, and so the key, is not encrypted. */
  tls?: Tls | boolean;
  /** Further options of `@grpc/grpc-js`, or other values for those of this package. */
  channelOptions?: grpc.ChannelOptions;
}

export interface CallOptions {
  /** Cancels the call or the stream, which then throws the signal's reason. */
  signal?: AbortSignal;
  /** In place of the client's, for this call. */
  timeoutMs?: number;
}

interface Cancellable {
  cancel(): void;
}

interface Call extends Cancellable {
  on(event: "status", listener: () => void): unknown;
}

/** @internal */
export class Channel {
  readonly #client: grpc.Client;
  readonly #apiKey: ClientOptions["apiKey"];
  readonly #timeoutMs: number;
  readonly #calls = new Set<Cancellable>();

  constructor(target: string, { apiKey, timeoutMs, tls, channelOptions }: ClientOptions) {
    this.#apiKey = apiKey;
    this.#timeoutMs = timeoutMs ?? DEFAULT_TIMEOUT_MS;
    this.#client = new grpc.Client(target, credentials(tls), {
      "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
      // A TXT record of the name must not replace it.
      "grpc.service_config_disable_resolution": 1,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.max_reconnect_backoff_ms": MAX_RECONNECT_BACKOFF_MS,
      "grpc.per_rpc_retry_buffer_size": RETRY_BUFFER_BYTES,
      "grpc.retry_buffer_size": ALL_RETRY_BUFFERS_BYTES,
      ...channelOptions,
    });
  }

  /** Closes the connection; calls that run fail with CANCELLED, later ones with an error of gRPC. */
  close(): void {
    this.#client.close();
    for (const call of this.#calls) cancel(call);
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
    { signal, timeoutMs = this.#timeoutMs }: CallOptions = {},
  ): Promise<MessageShape<O>> {
    const bytes = encode(method.input, request);
    const deadline = Date.now() + timeoutMs;
    const isIdempotent = IDEMPOTENT.has(method.name);
    const metadata = await this.#metadata(timeoutMs, signal);
    let rejected: SamegateError | undefined;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(method, bytes, metadata, deadline, signal);
      } catch (error) {
        signal?.throwIfAborted();
        const failure = SamegateError.fromCall(error);
        // Too little time was left for a retry. Of other methods the caller has to know that this attempt
        // may have been carried out.
        if (rejected && isIdempotent && failure.code === grpc.status.DEADLINE_EXCEEDED) throw rejected;
        const wait = Math.max(failure.retryAfterMs ?? 0, backoffMs(attempt, CALL_BACKOFF_MS));
        if (attempt === CALL_ATTEMPTS || !isRetried(failure, isIdempotent) || wait >= deadline - Date.now()) throw failure;
        rejected = failure;
        await this.#pause(wait, signal);
      }
    }
  }

  async serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageInitShape<I>,
    { signal, timeoutMs = this.#timeoutMs }: CallOptions = {},
  ): Promise<grpc.ClientReadableStream<MessageShape<O>>> {
    const bytes = encode(method.input, request);
    const metadata = await this.#metadata(timeoutMs, signal);
    const stream = this.#client.makeServerStreamRequest(
      pathOf(method), unchanged, decoder(method.output), bytes, metadata,
    );
    return this.#track(stream.on("error", ignore), signal);
  }

  /** Opens a stream whose requests are encoded already. */
  async bidiStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodBiDiStreaming<I, O>,
    { signal, timeoutMs = this.#timeoutMs }: CallOptions = {},
  ): Promise<grpc.ClientDuplexStream<Buffer, MessageShape<O>>> {
    const metadata = await this.#metadata(timeoutMs, signal);
    const stream = this.#client.makeBidiStreamRequest(
      pathOf(method), unchanged, decoder(method.output), metadata,
    );
    return this.#track(stream.on("error", ignore), signal);
  }

  #attempt<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    bytes: Buffer,
    metadata: grpc.Metadata,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<MessageShape<O>> {
    return new Promise((resolve, reject) => {
      const done: grpc.requestCallback<MessageShape<O>> = (error, response) =>
        response === undefined ? reject(error) : resolve(response);
      this.#track(
        this.#client.makeUnaryRequest(
          pathOf(method), unchanged, decoder(method.output), bytes, metadata, { deadline }, done,
        ),
        signal,
      );
    });
  }

  /** Waits before a retry; throws when the signal is aborted or the channel is closed. */
  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    const closing = new AbortController();
    const message = "the client was closed while a call waited for a retry";
    const waiting = { cancel: () => closing.abort(new SamegateError(grpc.status.CANCELLED, message)) };
    const forget = onAbort(signal, () => closing.abort(signal?.reason));
    this.#calls.add(waiting);
    try {
      await sleep(ms, closing.signal);
    } finally {
      this.#calls.delete(waiting);
      forget();
    }
  }

  async #metadata(timeoutMs: number, signal?: AbortSignal): Promise<grpc.Metadata> {
    signal?.throwIfAborted();
    const key = typeof this.#apiKey === "function" ? await inTime(this.#apiKey, timeoutMs, signal) : this.#apiKey;
    signal?.throwIfAborted();
    // The error of gRPC would have the key in it.
    if (key && /[^ -~]/.test(key)) throw new TypeError("the API key has a line break or other character that no header may have");
    const metadata = new grpc.Metadata();
    if (key) metadata.set("authorization", `Bearer ${key}`);
    return metadata;
  }

  /** Cancels a call when the signal or the channel says so, until it has its status. */
  #track<C extends Call>(call: C, signal?: AbortSignal): C {
    const forget = onAbort(signal, () => cancel(call));
    this.#calls.add(call);
    call.on("status", () => {
      this.#calls.delete(call);
      forget();
    });
    return call;
  }
}

/** Returns whether a call that failed is sent again. */
function isRetried({ code, reason, isTransient, retryAfterMs }: SamegateError, isIdempotent: boolean): boolean {
  // A gateway says how long to wait if a retry helps.
  if (!isTransient || (reason && retryAfterMs === undefined)) return false;
  if (code === grpc.status.UNAVAILABLE) return isIdempotent;
  // Without a reason no gateway has sent it: gRPC itself makes one of a response above its limit.
  return code === grpc.status.RESOURCE_EXHAUSTED && (isIdempotent || reason !== "");
}

/** Waits for a key until the timeout or the signal. */
async function inTime<K>(present: () => K, timeoutMs: number, signal?: AbortSignal): Promise<Awaited<K>> {
  let stop = ignore;
  const limit = new Promise<never>((_, reject) => {
    const late = () => reject(new SamegateError(grpc.status.DEADLINE_EXCEEDED, `no API key within ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    const forget = onAbort(signal, () => reject(signal?.reason));
    stop = () => {
      clearTimeout(timer);
      forget();
    };
  });
  try {
    return await Promise.race([present(), limit]);
  } finally {
    stop();
  }
}

/**
 * @internal Cancels a call.
 *
 * What is written to a cancelled call stays in gRPC's retry buffer for good: what is queued is dropped
 * before, and what is being written arrives before.
 */
export function cancel(call: Cancellable): void {
  if (call instanceof Duplex) call.destroy();
  setImmediate(() => call.cancel());
}

/** @internal Encodes a request; throws for a field of the wrong type or range. */
export function encode<D extends DescMessage>(schema: D, request: MessageInitShape<D>): Buffer {
  const bytes = toBinary(schema, create(schema, request));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function decoder<D extends DescMessage>(schema: D): (bytes: Buffer) => MessageShape<D> {
  return (bytes) => fromBinary(schema, bytes);
}

function unchanged(bytes: Buffer): Buffer {
  return bytes;
}

/** For errors of a stream that are read elsewhere, or after its end: Node throws one without a listener. */
function ignore(): void {}

function pathOf({ parent, name }: { parent: { typeName: string }; name: string }): string {
  return `/${parent.typeName}/${name}`;
}

function credentials(tls: Tls | boolean | undefined): grpc.ChannelCredentials {
  if (!tls) return grpc.credentials.createInsecure();
  const { ca, cert, key } = tls === true ? {} : tls;
  const [root, privateKey, chain] = [ca, key, cert].map((pem) => (pem ? Buffer.from(pem) : null));
  return grpc.credentials.createSsl(root, privateKey, chain);
}
