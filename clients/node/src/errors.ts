// The error of a call or of one item of a stream.

import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, durationMs, type Any } from "@bufbuild/protobuf/wkt";
import { status, type ServiceError } from "@grpc/grpc-js";

import * as rpc from "./gen/google/rpc/error_details_pb";
import { StatusSchema } from "./gen/google/rpc/status_pb";
import * as pb from "./gen/samegate/v1/same_image_pb";

// Codes for a temporary condition, and those of a broken connection.
const TRANSIENT = new Set([
  status.UNAVAILABLE,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.UNKNOWN,
]);
// Reasons for which waiting does not help, whatever the code.
const LASTING = new Set([
  "DAILY_QUOTA_EXCEEDED",
  "DISK_FULL",
  "LIBRARY_FULL",
  "MESSAGE_TOO_LARGE",
  "QUOTA_DAY_EXCEEDED",
  "STORAGE_FAILED",
  "TOTAL_QUOTA_EXCEEDED",
  "VENDOR_PROTOCOL",
]);

// Trailer with the milliseconds to wait, or a negative number if no retry helps (gRFC A6).
const PUSHBACK = "grpc-retry-pushback-ms";

/** An invalid field of a request. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** What is known of an error beside its code and text. */
export interface ErrorDetails {
  reason?: string;
  metadata?: Record<string, string>;
  violations?: Violation[];
  retryAfterMs?: number;
  matches?: pb.Match[];
  /** The gateway says that no retry helps, for reasons that this version does not know. */
  isLasting?: boolean;
  cause?: unknown;
}

/** A call or an item that failed. `message` is the text with the reason. */
export class SamegateError extends Error {
  static {
    // Not a field: the stack begins with the name.
    this.prototype.name = "SamegateError";
  }

  /** The gRPC status code; undefined for a failure on this side. */
  readonly code: status | undefined;
  /** The text alone, which names invalid fields. */
  readonly details: string;
  /** The stable name of the cause, such as `IMAGE_NOT_FOUND`; empty if no gateway answered. */
  readonly reason: string;
  /** `vendor_code`, `vendor_log_id` and `cont_sign`, each where it is known. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Each invalid field of the request. */
  readonly violations: readonly Violation[];
  /** Milliseconds to wait; undefined where a retry does not help or no time is known. */
  readonly retryAfterMs: number | undefined;
  /** The stored images for which an image was not added. */
  readonly matches: readonly pb.Match[];
  readonly #isLasting: boolean;

  constructor(code: status | undefined, details: string, known: ErrorDetails = {}) {
    const { reason = "", metadata = {}, violations = [], retryAfterMs, matches = [], isLasting = false, cause } = known;
    const name = reason || (code === undefined ? "" : status[code]);
    super(name ? `${details} [${name}]` : details, { cause });
    this.code = code;
    this.details = details;
    this.reason = reason;
    this.metadata = metadata;
    this.violations = violations;
    this.retryAfterMs = retryAfterMs;
    this.matches = matches;
    this.#isLasting = isLasting;
  }

  /** The sign of the stored image that the error is about; empty if there is none. */
  get contSign(): string {
    return this.metadata["cont_sign"] ?? "";
  }

  /** Whether the same request can succeed later. */
  get isTransient(): boolean {
    if (this.#isLasting) return false;
    // INTERNAL without a reason is not the gateway's: a proxy or a connection that broke.
    if (this.code === status.INTERNAL) return !this.reason;
    return this.code !== undefined && TRANSIENT.has(this.code) && !LASTING.has(this.reason);
  }

  /** @internal Unpacks the status of a call and its details; throws other errors again. */
  static fromCall(error: unknown): SamegateError {
    if (!isServiceError(error)) throw error;
    const known: ErrorDetails = { cause: error };
    for (const packed of packedDetails(error)) unpack(packed, known);
    known.isLasting = Number(error.metadata.get(PUSHBACK)[0]) < 0;
    return new SamegateError(error.code, error.details || status[error.code], known);
  }

  /** @internal Makes the error of one item of a stream. */
  static fromItem({ code, message, reason, metadata }: pb.Status, matches: pb.Match[] = []): SamegateError {
    return new SamegateError(code in status ? code : status.UNKNOWN, message, { reason, metadata, matches });
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && "code" in error && "details" in error && "metadata" in error;
}

function packedDetails(error: ServiceError): Any[] {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  if (!(bytes instanceof Uint8Array)) return [];
  try {
    const packed = fromBinary(StatusSchema, bytes);
    // A proxy's status may contradict the details: the code holds.
    return packed.code === error.code ? packed.details : [];
  } catch {
    return [];
  }
}

function unpack(packed: Any, known: ErrorDetails): void {
  const info = anyUnpack(packed, rpc.ErrorInfoSchema);
  if (info) Object.assign(known, { reason: info.reason, metadata: info.metadata });
  const request = anyUnpack(packed, rpc.BadRequestSchema);
  if (request) {
    known.violations = request.fieldViolations.map(({ field, description }) => ({ field, description }));
  }
  const retry = anyUnpack(packed, rpc.RetryInfoSchema);
  if (retry?.retryDelay) known.retryAfterMs = durationMs(retry.retryDelay);
  const same = anyUnpack(packed, pb.SameImagesSchema);
  if (same) known.matches = same.matches;
}
