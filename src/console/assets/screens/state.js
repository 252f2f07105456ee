/** The state of what the caller's tenant uses: libraries, credentials at a vendor, quota, last calls. */

import { call } from "../api.js";
import { showError } from "../dialogs.js";
import { fill, h, refill } from "../dom.js";
import { bytes, number, t, time, tOr } from "../i18n.js";
import { setScreenKeys } from "../keys.js";

/** Time between two readings: each is a call of the tenant's quota. */
const EVERY_MS = 30_000;

/** @param {HTMLElement} place */
export function show(place) {
  const leaving = new AbortController();
  const body = h("div", { class: "state-body" }, h("p", { class: "muted", role: "status" }, t("loading")));
  const errorsOnly = h("input", { type: "checkbox", onchange: () => draw() });
  const [own, libraries] = [h("section", { class: "cards" }), h("div", { class: "cards" })];
  const rows = h("tbody", {});
  const content = [
    own,
    h("section", {}, h("h2", {}, t("libraries")), libraries),
    h("section", {},
      h("div", { class: "heading" }, h("h2", {}, t("last_calls")), h("label", { class: "check" }, errorsOnly, t("errors_only"))),
      h("div", { class: "table-scroll calls", tabindex: 0, role: "region", "aria-label": t("last_calls") },
        h("table", {},
          h("thead", {}, h("tr", {}, ["time", "method", "library", "code", "reason", "ms", "log_id"].map((name) => h("th", { scope: "col", class: ["ms", "log_id"].includes(name) ? "number" : "" }, t(`call_${name}`))))),
          rows))),
  ];
  /** @type {any} */
  let state;
  let timer = 0;
  fill(place, h("div", { class: "heading" }, h("h1", { tabindex: -1 }, t("state"))), body);
  setScreenKeys([{ key: "r", label: "key_reload", run: () => void read() }]);
  read();
  return () => {
    clearTimeout(timer);
    leaving.abort();
  };

  async function read() {
    clearTimeout(timer);
    try {
      state = await call("GetState", {}, leaving.signal);
      draw();
    } catch (error) {
      if (!leaving.signal.aborted) showError(body, error, read);
    }
    wait();
  }

  /** Reads again after a while, in a tab that is seen. */
  function wait() {
    clearTimeout(timer);
    if (leaving.signal.aborted) return;
    timer = window.setTimeout(() => (document.visibilityState === "visible" ? read() : wait()), EVERY_MS);
  }

  /** Fills the parts of the screen: the focus and what is scrolled stay. */
  function draw() {
    if (!own.isConnected) fill(body, content);
    const calls = (state.calls ?? []).filter((/** @type {any} */ one) => !errorsOnly.checked || one.code !== "OK");
    fill(own,
      card(t("gateway"), [
        [t("version"), state.version ?? ""],
        [t("started"), time(state.startTime)],
        [t("tenant"), state.tenant ?? ""],
        [t("configuration"), state.configFailed ? h("strong", { class: "error" }, t("config_failed")) : t("config_ok")],
        [t("config_time"), time(state.configTime)],
      ], "h2"),
      quotaCard(state.quota));
    refill(libraries, (state.libraries ?? []).map(libraryCard));
    fill(rows, calls.map(callRow));
  }
}

/**
 * @param {string} title
 * @param {[string, import("../dom.js").Child][]} rows
 * @param {"h2" | "h3"} level of the title in the outline of the page
 * @param {import("../dom.js").Child} [more]
 */
function card(title, rows, level, more) {
  return h("article", { class: "card" }, h(level, {}, title), h("dl", {}, rows.map(([label, value]) => [h("dt", {}, label), h("dd", {}, value)])), more);
}

/** @param {any} quota */
function quotaCard(quota = {}) {
  /** @type {[string, import("../dom.js").Child][]} */
  const rows = [];
  const limit = (/** @type {string} */ label, /** @type {string | undefined} */ max, /** @type {string | undefined} */ used, write = number) => {
    if (max === undefined) return;
    const known = used !== undefined;
    rows.push([t(label), known ? [h("meter", { min: 0, max: Number(max), value: Number(used), "aria-label": t(label) }), ` ${write(Number(used))} / ${write(Number(max))}`] : write(Number(max))]);
  };
  limit("quota_rate", quota.requestsPerSecond, undefined);
  limit("quota_burst", quota.burst, undefined);
  limit("quota_day", quota.requestsPerDay, quota.requestsToday);
  limit("quota_bytes", quota.bytesPerSecond, undefined, bytes);
  limit("quota_concurrent", quota.concurrent, quota.running);
  if (rows.length === 0) rows.push([t("quota"), t("no_quota")]);
  rows.push([t("quota_rejected"), number(Number(quota.rejected ?? 0))]);
  return card(t("quota"), rows, "h2");
}

/** @param {any} library */
function libraryCard(library) {
  /** @type {[string, import("../dom.js").Child][]} */
  const rows = [[t("backend"), tOr(`backend.${library.backend}`, library.backend)]];
  if (library.imageCount !== undefined) {
    const [count, capacity] = [Number(library.imageCount), Number(library.imageCapacity ?? 0)];
    rows.push([t("images"), [h("meter", { min: 0, max: capacity, value: count, "aria-label": t("images") }), ` ${number(count)} / ${number(capacity)}`]]);
  }
  if (library.sizeBytes !== undefined) rows.push([t("size"), bytes(Number(library.sizeBytes))]);
  if (library.storageFailing) rows.push([t("storage"), h("strong", { class: "error" }, t("storage_failing"))]);
  const credentials = library.credentials ?? [];
  return card(library.library, rows, "h3", credentials.length > 0 && h("div", { class: "table-scroll", tabindex: 0, role: "region", "aria-label": t("credentials") },
    h("table", {},
      h("thead", {}, h("tr", {}, ["name", "breaker", "queue", "token_age", "slots", "cooldown", "succeeded", "failed"].map((name) => h("th", { scope: "col" }, t(`credential_${name}`))))),
      h("tbody", {}, credentials.map(credentialRow)))));
}

/** @param {any} credential */
function credentialRow(credential) {
  const seconds = (/** @type {number | undefined} */ value) => (value === undefined ? "–" : t("seconds", { n: Math.round(value) }));
  const breaker = String(credential.breaker ?? "CIRCUIT_BREAKER_CLOSED").replace("CIRCUIT_BREAKER_", "").toLowerCase();
  return h("tr", {},
    h("th", { scope: "row" }, credential.name ?? ""),
    h("td", {}, h("span", { class: `badge ${breaker === "closed" ? "good" : "bad"}` }, t(`breaker_${breaker}`))),
    h("td", { class: "number" }, credential.queueLength ?? "0"),
    h("td", { class: "number" }, seconds(credential.tokenAgeSeconds)),
    h("td", { class: "number" }, credential.availableSlots === undefined ? "–" : number(Math.floor(credential.availableSlots))),
    h("td", {}, credential.inCooldown ? h("span", { class: "badge bad" }, t("yes")) : t("no")),
    h("td", { class: "number" }, credential.succeeded ?? "0"),
    h("td", { class: "number" }, credential.failed ?? "0"));
}

/** @param {any} one */
function callRow(one) {
  const isGood = one.code === "OK";
  return h("tr", {},
    h("td", {}, new Date(one.time).toLocaleTimeString(document.documentElement.lang)),
    h("td", {}, String(one.method ?? "").split("/").pop() ?? ""),
    h("td", {}, one.library ?? ""),
    h("td", {}, h("span", { class: `badge ${isGood ? "good" : "bad"}` }, one.code ?? "")),
    h("td", {}, one.reason ?? ""),
    h("td", { class: "number" }, number(Math.round((one.milliseconds ?? 0) * 10) / 10)),
    h("td", { class: "number" }, one.logId && one.logId !== "0" ? h("code", {}, one.logId) : ""));
}
