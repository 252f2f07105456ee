/** Dialogs, and short messages at the edge of the page. */

import { fill, h, icon } from "./dom.js";
import { t, tOr } from "./i18n.js";

/**
 * Shows a modal dialog; the browser keeps the focus in it and returns it afterwards. Resolves with
 * what `close` is called with, or `undefined` for Escape.
 * @template T
 * @param {string} title
 * @param {(close: (value?: T) => void) => import("./dom.js").Child} body
 * @param {{wide?: boolean, fixed?: boolean}} [options] `fixed`: Escape does not close it
 * @returns {Promise<T | undefined>}
 */
export function dialog(title, body, options = {}) {
  return new Promise((resolve) => {
    const heading = h("h2", { id: `dialog-${(dialogs += 1)}` }, title);
    const element = h("dialog", { class: options.wide ? "wide" : "", "aria-labelledby": heading.id, closedby: options.fixed ? "none" : false });
    /** @type {T | undefined} */
    let result;
    const close = (/** @type {T | undefined} */ value) => {
      result = value;
      element.close();
    };
    const stay = (/** @type {Event} */ event) => options.fixed && event.preventDefault();
    element.addEventListener("cancel", stay);
    // A browser lets a page prevent only one `cancel`: a second Escape would close the dialog.
    element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Escape" && stay(event));
    element.addEventListener("close", () => {
      element.remove();
      resolve(result);
    });
    element.append(h("header", {}, heading), h("div", { class: "dialog-body" }, body(close)));
    document.body.append(element);
    element.showModal();
  });
}

let dialogs = 0;

/**
 * Asks whether to do something.
 * @param {{title: string, text: import("./dom.js").Child, action: string, danger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export async function confirm({ title, text, action, danger }) {
  const yes = await dialog(title, (close) => [
    typeof text === "string" ? h("p", {}, text) : text,
    h("div", { class: "actions" },
      h("button", { type: "button", onclick: () => close(false) }, t("cancel")),
      h("button", { type: "button", class: danger ? "danger" : "primary", onclick: () => close(true) }, action)),
  ]);
  return yes === true;
}

/**
 * Asks for some values in a form; `undefined` when it is cancelled.
 * @param {{title: string, action: string, fields: import("./dom.js").Child, note?: string}} question
 * @returns {Promise<FormData | undefined>}
 */
export function ask({ title, action, fields, note }) {
  return dialog(title, (close) => h("form", {
    method: "dialog",
    onsubmit(/** @type {SubmitEvent} */ event) {
      event.preventDefault();
      close(new FormData(/** @type {HTMLFormElement} */ (event.target)));
    },
  },
  note && h("p", { class: "muted" }, note),
  fields,
  h("div", { class: "actions" },
    h("button", { type: "button", onclick: () => close() }, t("cancel")),
    h("button", { type: "submit", class: "primary" }, action))));
}

/**
 * Writes an error for people: what it means, where that is known, and what the gateway said.
 * @param {unknown} error
 */
export function explain(error) {
  const { reason = "", message = String(error), code = "" } = /** @type {any} */ (error);
  const known = tOr(`error.${reason}`, tOr(`error.${code}`, ""));
  if (!known) return message;
  return message && message !== known ? `${known} (${message})` : known;
}

const toasts = h("div", { class: "toasts", role: "status" });

/**
 * Shows a message for some seconds; screen readers say it.
 * @param {import("./dom.js").Child} text
 * @param {"info" | "error"} [kind]
 */
export function toast(text, kind = "info") {
  if (!toasts.isConnected) document.body.append(toasts);
  const close = () => item.remove();
  const item = h("div", { class: `toast ${kind}` }, h("span", {}, text),
    h("button", { type: "button", class: "plain", "aria-label": t("close"), onclick: close }, icon("close")));
  toasts.append(item);
  setTimeout(close, kind === "error" ? 15_000 : 5_000);
}

/**
 * Shows an error where a screen would have shown its content, with a way to try again.
 * @param {Element} place
 * @param {unknown} error
 * @param {() => void} [again]
 */
export function showError(place, error, again) {
  if (/** @type {any} */ (error)?.name === "AbortError") return;
  fill(place, h("div", { class: "empty", role: "alert" },
    h("h2", {}, t("failed")),
    h("p", {}, explain(error)),
    /** @type {any} */ (error)?.requestId && h("p", { class: "muted" }, t("request_id"), " ", h("code", {}, /** @type {any} */ (error).requestId)),
    again && h("button", { type: "button", onclick: again }, t("try_again"))));
}
