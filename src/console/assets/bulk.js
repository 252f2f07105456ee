/**
 * Does the same to many images, and says exactly what was done and what was not.
 *
 * Work stops at the first failure that concerns the whole gateway, such as a lost network; what is
 * left can be tried again from where it stopped.
 */

import { call, CallError } from "./api.js";
import { dialog, explain } from "./dialogs.js";
import { fill, h } from "./dom.js";
import { number, t } from "./i18n.js";

/** Calls at the same time: a gateway serves other clients too. */
const PARALLEL = 4;
/** Code of a status (google.rpc.Code) that says that there is no such image. */
const NOT_FOUND = 5;
/** Failures that every further item would have too. */
const STOPS = new Set(["unavailable", "unauthenticated", "permission_denied", "resource_exhausted"]);

/** @typedef {Error | string | null | void} Outcome  an error, or a remark about an item that is done */

/**
 * @template T
 * @typedef {object} Job
 * @property {string} title
 * @property {T[]} items
 * @property {number} [batch] items of one call of `run`; default 1
 * @property {(items: T[]) => Promise<Outcome[] | void>} run returns the outcome of each item; none: all are done
 * @property {(item: T) => string} name
 */

/**
 * Runs a job in a dialog that shows its progress; resolves with the number of items that are done.
 * @template T
 * @param {Job<T>} job
 * @returns {Promise<number>}
 */
export async function runAll(job) {
  const state = { done: 0, failed: /** @type {[T, unknown][]} */ ([]), left: [...job.items], notes: /** @type {string[]} */ ([]), isStopped: false };
  let working = Promise.resolve();
  await dialog(job.title, (close) => {
    const content = h("div", { role: "status" });
    const work = async () => {
      state.isStopped = false;
      progress();
      await Promise.all(Array.from({ length: PARALLEL }, worker));
      if (!state.isStopped && state.failed.length === 0 && state.notes.length === 0) close();
      else report();
    };
    const worker = async () => {
      while (state.left.length > 0 && !state.isStopped) {
        const batch = state.left.splice(0, job.batch ?? 1);
        try {
          const outcomes = (await job.run(batch)) ?? [];
          for (const [index, item] of batch.entries()) record(item, outcomes[index]);
        } catch (error) {
          for (const item of batch) state.failed.push([item, error]);
          if (error instanceof CallError && STOPS.has(error.code)) state.isStopped = true;
        }
        progress();
      }
    };
    const record = (/** @type {T} */ item, /** @type {Outcome} */ outcome) => {
      if (outcome instanceof Error) return state.failed.push([item, outcome]);
      if (outcome) state.notes.push(`${job.name(item)}: ${outcome}`);
      state.done += 1;
    };
    const bar = h("progress", { max: job.items.length, value: 0, "aria-label": job.title });
    const counted = h("p", {});
    const stop = h("button", { type: "button", onclick: () => (state.isStopped = true) }, t("stop"));
    const progress = () => {
      bar.value = state.done + state.failed.length;
      counted.textContent = t("bulk_progress", { done: state.done, all: job.items.length });
      if (!bar.isConnected) fill(content, bar, counted, h("div", { class: "actions" }, stop));
    };
    const report = () => {
      const open = state.failed.length + state.left.length;
      const retry = () => {
        state.left = [...state.failed.map(([item]) => item), ...state.left];
        state.failed = [];
        working = work();
      };
      fill(content,
        h("p", {}, h("strong", {}, t("bulk_done", { n: state.done })), " ",
          state.failed.length > 0 && t("bulk_failed", { n: state.failed.length }), " ",
          state.left.length > 0 && t("bulk_left", { n: state.left.length })),
        state.failed.length > 0 && h("ul", { class: "failures" }, state.failed.slice(0, 100).map(([item, error]) =>
          h("li", {}, h("strong", { dir: "auto" }, job.name(item)), " ", explain(error))),
          state.failed.length > 100 && h("li", { class: "muted" }, t("and_more", { n: state.failed.length - 100 }))),
        state.notes.length > 0 && h("ul", { class: "notes" }, state.notes.slice(0, 100).map((note) => h("li", { dir: "auto" }, note))),
        h("div", { class: "actions" },
          h("button", { type: "button", class: open > 0 ? "" : "primary", onclick: () => close() }, t("close")),
          open > 0 && h("button", { type: "button", class: "primary", onclick: retry }, t("bulk_retry", { n: open, count: number(open) }))));
    };
    queueMicrotask(() => (working = work()));
    return content;
  }, { wide: true, fixed: true });
  // However it was closed: what has begun ends, and nothing else begins.
  state.isStopped = true;
  await working;
  return state.done;
}

/**
 * Deletes images; one that is gone already is as good as deleted.
 * @param {string} library
 * @param {string[]} contSigns
 * @returns {Promise<Outcome[]>} in their order
 */
export async function deleteImages(library, contSigns) {
  const response = await call("DeleteImages", { library, contSigns: { values: contSigns } });
  return (response.results ?? []).map((/** @type {any} */ { status }) =>
    status?.code && status.code !== NOT_FOUND ? new Error(status.message) : undefined);
}
