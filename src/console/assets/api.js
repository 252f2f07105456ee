/**
 * Calls the API over the Connect protocol with JSON, at the origin of the page.
 *
 * A call without valid credentials asks for them and is made again; one that does not reach the
 * gateway fails with the reason `UNREACHABLE` and reports it, so that the page can say so until the
 * gateway is back.
 */

import { session } from "./session.js";

const SERVICE = "/samegate.v1.SameImageService/";
/** Flag of the envelope that ends a stream (Connect protocol). */
const END_STREAM = 0x02;

/** What the page does when it must sign in, and when the gateway is lost; set once by main.js. */
export const hooks = {
  /** @type {(error: CallError) => Promise<void>} */
  signIn: async () => {},
  /** @type {() => void} */
  unreachable: () => {},
};

/** The error of a call. */
export class CallError extends Error {
  /**
   * @param {string} code canonical code in lower case, such as `not_found`
   * @param {string} reason stable name of the cause, such as `IMAGE_NOT_FOUND`; may be empty
   * @param {string} message
   * @param {string} [requestId]
   */
  constructor(code, reason, message, requestId) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.requestId = requestId;
  }
}

/**
 * Calls a unary method.
 * @param {string} method
 * @param {object} message
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function call(method, message, signal) {
  const request = () => send(method, "application/json", JSON.stringify(message), signal);
  const response = await authenticated(request);
  return response.json();
}

/**
 * Calls a server-streaming method; yields each message as it arrives.
 * @param {string} method
 * @param {object} message
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<any>}
 */
export async function* stream(method, message, signal) {
  const text = new TextEncoder().encode(JSON.stringify(message));
  const envelope = new Uint8Array(5 + text.length);
  new DataView(envelope.buffer).setUint32(1, text.length);
  envelope.set(text, 5);
  const request = () => send(method, "application/connect+json", envelope, signal);
  const response = await authenticated(request);
  for await (const [flags, content] of envelopes(response, signal)) {
    const value = JSON.parse(new TextDecoder().decode(content));
    if (!(flags & END_STREAM)) yield value;
    else if (value.error) throw errorOf(value.error, 200, response);
    else return;
  }
  // Without its last envelope it was cut off.
  throw lost();
}

/**
 * @param {Response} response
 * @param {AbortSignal} [signal]
 * @returns {AsyncGenerator<[number, Uint8Array]>}
 */
async function* envelopes(response, signal) {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
  let pending = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read().catch((error) => {
      throw signal?.aborted ? error : lost();
    });
    if (done) return;
    const joined = new Uint8Array(pending.length + value.length);
    joined.set(pending);
    joined.set(value, pending.length);
    pending = joined;
    while (pending.length >= 5) {
      const length = new DataView(pending.buffer, pending.byteOffset).getUint32(1);
      if (pending.length < 5 + length) break;
      yield [pending[0], pending.subarray(5, 5 + length)];
      pending = pending.slice(5 + length);
    }
  }
}

/**
 * @param {() => Promise<Response>} request
 * @returns {Promise<Response>}
 */
async function authenticated(request) {
  for (;;) {
    try {
      return await request();
    } catch (error) {
      if (!(error instanceof CallError) || error.code !== "unauthenticated") throw error;
      await hooks.signIn(error);
    }
  }
}

/**
 * @param {string} method
 * @param {string} type
 * @param {BodyInit} body
 * @param {AbortSignal} [signal]
 */
async function send(method, type, body, signal) {
  const headers = { ...session.headers(), "content-type": type, "connect-protocol-version": "1" };
  // The key, or the client certificate of the browser; the gateway knows no cookies.
  const options = { method: "POST", headers, body, signal, credentials: /** @type {const} */ ("same-origin"), cache: /** @type {const} */ ("no-store") };
  const response = await fetch(SERVICE + method, options).catch((error) => {
    throw signal?.aborted ? error : lost();
  });
  if (response.ok) return response;
  const value = await response.json().catch(() => ({}));
  throw errorOf(value, response.status, response);
}

/** Reports that the gateway cannot be reached, and returns the error that says so. */
function lost() {
  hooks.unreachable();
  return new CallError("unavailable", "UNREACHABLE", "");
}

/**
 * @param {{code?: string, message?: string, details?: {type: string, value: string}[]}} value
 * @param {number} status
 * @param {Response} response
 */
function errorOf(value, status, response) {
  const info = value.details?.find((detail) => detail.type === "google.rpc.ErrorInfo");
  const reason = info ? reasonOf(info.value) : "";
  const requestId = response.headers.get("x-request-id") ?? undefined;
  return new CallError(value.code ?? "unknown", reason, value.message ?? `HTTP ${status}`, requestId);
}

/**
 * Reads `reason`, the first field of a google.rpc.ErrorInfo in the wire format.
 * @param {string} encoded
 */
function reasonOf(encoded) {
  const message = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
  const isReason = message.charCodeAt(0) === 0x0a;
  return isReason ? message.slice(2, 2 + message.charCodeAt(1)) : "";
}
