// Listens to the signals of callers.

import { setMaxListeners } from "node:events";

/** Calls the listener when the signal is aborted; returns what removes it. */
export function onAbort(signal: AbortSignal | undefined, listener: () => void): () => void {
  if (!signal) return () => {};
  // Any number of calls may share a signal: above the default of 10, Node warns of a leak.
  setMaxListeners(0, signal);
  signal.addEventListener("abort", listener, { once: true });
  return () => signal.removeEventListener("abort", listener);
}
