/**
 * The page around the screens: signs in, chooses the screen by the address, and says when the
 * gateway is lost. The address names library, screen and image; no key is ever in it.
 */

import { call, hooks } from "./api.js";
import { dialog, explain } from "./dialogs.js";
import { fill, h, icon } from "./dom.js";
import { currentLanguage, t, toggleLanguage } from "./i18n.js";
import { setPageKeys, setScreenKeys, showKeys } from "./keys.js";
import * as compare from "./screens/compare.js";
import * as duplicates from "./screens/duplicates.js";
import * as image from "./screens/image.js";
import * as library from "./screens/library.js";
import * as search from "./screens/search.js";
import * as state from "./screens/state.js";
import { isKey, session } from "./session.js";
import { field, forgetRecords } from "./views.js";

/** @type {Record<string, {show: (place: HTMLElement, context: any) => (() => void) | void}>} */
const SCREENS = { library, image, search, compare, duplicates, state };
/** Screens with a place in the navigation, and the key that leads there after `g`. */
const NAVIGATION = /** @type {const} */ ([["library", "grid"], ["search", "search"], ["duplicates", "copies"], ["state", "state"]]);
const THEME = "samegate.theme";
/** Time between two attempts to reach a lost gateway. */
const RETRY_MS = 1500;

const place = h("main", { id: "main" });
const navigation = h("nav", { "aria-label": t("navigation") });
const banner = h("div", { class: "banner", role: "alert", hidden: true });
/** @type {(() => void) | void} */
let leave;

/** Reads the address: `#/LIBRARY/SCREEN/ARGUMENT?query`. */
function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name = "", screen = "library", argument = ""] = path.split("/").map(decodeURIComponent);
  const known = session.library(name)?.library ?? session.libraries[0]?.library ?? "";
  return { library: known, screen: screen in SCREENS ? screen : "library", argument, query: new URLSearchParams(query) };
}

/** @param {string} name @param {string} path */
function addressOf(name, path) {
  return `#/${encodeURIComponent(name)}/${path}`;
}

/** Shows the screen that the address names. */
function render() {
  leave?.();
  const current = route();
  const go = (/** @type {string} */ path) => {
    const address = addressOf(current.library, path || "library");
    if (location.hash === address) render();
    else location.hash = address;
  };
  document.title = `${t(current.screen)} · samegate`;
  showNavigation(current);
  place.className = `screen-${current.screen}`;
  if (!current.library && current.screen !== "state") return fill(place, h("p", { class: "empty" }, t("no_library")));
  leave = SCREENS[current.screen].show(place, { ...current, go });
}

/** @param {ReturnType<typeof route>} current */
function showNavigation(current) {
  const isAt = (/** @type {string} */ name) => name === current.screen || (name === "library" && current.screen === "image") || (name === "search" && current.screen === "compare");
  const choose = (/** @type {any} */ event) => (location.hash = addressOf(event.target.value, ["image", "compare"].includes(current.screen) ? "library" : current.screen));
  const button = (/** @type {any} */ name, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
    h("button", { type: "button", class: "plain", title: label, "aria-label": label, onclick }, icon(name));
  fill(navigation,
    h("span", { class: "brand" }, h("img", { src: "icon.svg", alt: "", width: 24, height: 24 }), "samegate"),
    session.libraries.length > 1 && h("select", { "aria-label": t("library"), onchange: choose },
      session.libraries.map(({ library: name }) => h("option", { value: name, selected: name === current.library }, name))),
    h("ul", {}, NAVIGATION.map(([name, sign]) => h("li", {},
      h("a", { href: addressOf(current.library, name), "aria-current": isAt(name) ? "page" : false }, icon(sign), h("span", {}, t(name)))))),
    h("span", { class: "tools" },
      session.readOnly && h("span", { class: "badge", title: t("read_only") }, t("read_only_short")),
      h("button", { type: "button", class: "plain", title: t("language"), lang: currentLanguage() === "en" ? "zh" : "en", onclick: changeLanguage }, currentLanguage() === "en" ? "中文" : "English"),
      button("theme", t("theme"), changeTheme),
      button("help", t("keys"), showKeys),
      session.hasKey && button("out", t("sign_out"), signOut)));
}

function changeLanguage() {
  toggleLanguage();
  setKeys();
  navigation.setAttribute("aria-label", t("navigation"));
  render();
}

function changeTheme() {
  const isDark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const theme = isDark ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME, theme);
}

function signOut() {
  session.setKey("", false);
  location.hash = "";
  location.reload();
}

function setKeys() {
  const to = (/** @type {string} */ name) => () => (location.hash = addressOf(route().library, name));
  setPageKeys([
    ...NAVIGATION.map(([name], index) => ({ key: String(index + 1), label: name, run: to(name) })),
    { key: "?", label: "key_help", run: showKeys },
  ]);
}

/** @type {Promise<void> | undefined} */
let signingIn;

/**
 * Asks for an API key until the gateway accepts it. Calls that wait for it are made again.
 * @param {import("./api.js").CallError} error
 */
function signIn(error) {
  signingIn ??= askForKey(error).then(renew).finally(() => (signingIn = undefined));
  return signingIn;
}

/** What the caller may do, as far as the screens depend on it. */
function rights() {
  return JSON.stringify([session.readOnly, session.libraries.map(({ library: name, capabilities }) => [name, capabilities])]);
}

/** Shows the screen anew if another key may do something else. */
function renew() {
  forgetRecords();
  // Before the page has begun, it reads its libraries in any case.
  if (!hasBegun) return;
  const before = rights();
  // The call that asked for the key waits for this; it is made with the key at the same time.
  readLibraries().then(() => rights() !== before && render(), () => {});
}

let hasBegun = false;

async function readLibraries() {
  const response = await call("ListLibraries", {});
  session.libraries = response.libraries ?? [];
  session.readOnly = response.readOnly ?? false;
  hasBegun = true;
}

/** @param {import("./api.js").CallError} error */
async function askForKey(error) {
  // A first visit without a key is no mistake.
  const wrong = session.hasKey ? explain(error) : "";
  const check = (/** @type {any} */ event) => event.target.setCustomValidity(isKey(event.target.value.trim()) ? "" : t("api_key_invalid"));
  const answer = await dialog(t("sign_in"), (close) => h("form", {
    class: "sign-in",
    onsubmit(/** @type {SubmitEvent} */ event) {
      event.preventDefault();
      close(new FormData(/** @type {HTMLFormElement} */ (event.target)));
    },
  },
  wrong && h("p", { class: "error", role: "alert" }, wrong),
  field(t("api_key"), { name: "key", type: "password", required: true, autocomplete: "off", autofocus: true, oninput: check }, t("api_key_hint")),
  h("label", { class: "check" }, h("input", { type: "checkbox", name: "keep" }), t("keep_key")),
  h("div", { class: "actions" }, h("button", { type: "submit", class: "primary" }, t("sign_in")))), { fixed: true });
  session.setKey(String(answer?.get("key") ?? "").trim(), answer?.get("keep") === "on");
}

let isLost = false;

/** Says that the gateway is lost; when it is back, shows the screen anew if that shows an error. */
async function unreachable() {
  if (isLost) return;
  isLost = true;
  fill(banner, t("unreachable"));
  banner.hidden = false;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    const response = await fetch("icon.svg", { method: "HEAD", cache: "no-store" }).catch(() => undefined);
    if (response?.ok) break;
  }
  isLost = false;
  banner.hidden = true;
  // A dialog shows what was done and what was not: it stays. So does a screen that lacks nothing.
  if (!document.querySelector("dialog[open]") && place.querySelector("[role=alert]")) start();
}

async function start() {
  try {
    await readLibraries();
    render();
  } catch (error) {
    setScreenKeys([]);
    fill(place, h("div", { class: "empty", role: "alert" }, h("h1", {}, t("failed")), h("p", {}, explain(error)),
      h("button", { type: "button", onclick: start }, t("try_again"))));
  }
}

document.documentElement.dataset.theme = localStorage.getItem(THEME) ?? "";
document.body.append(h("a", { class: "skip", href: "#main", onclick: skip }, t("skip")), h("header", { class: "top" }, navigation), banner, place);
hooks.signIn = signIn;
hooks.unreachable = unreachable;
setKeys();
addEventListener("hashchange", render);
start();

/** Moves the focus behind the navigation; the address stays, as it names the screen. @param {Event} event */
function skip(event) {
  event.preventDefault();
  /** @type {HTMLElement | null} */ (place.querySelector("h1, [tabindex]"))?.focus();
}
