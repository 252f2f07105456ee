// How long streams and calls wait before the next attempt.

import { setTimeout } from "node:timers/promises";

/** Consecutive streams without a result after which a run fails: 53 to 105 s of waiting. */
export const STREAM_ATTEMPTS = 12;
const INITIAL_BACKOFF_MS = 500;
const MAX_BACKOFF_MS = 15_000;

/** Returns the exponential backoff with jitter. */
export function backoffMs(failures: number, initialMs = INITIAL_BACKOFF_MS): number {
  const longest = Math.min(initialMs * 2 ** (failures - 1), MAX_BACKOFF_MS);
  return longest * (0.5 + Math.random() / 2);
}

/** Waits; throws the reason of the signal when that is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => signal?.throwIfAborted());
}
