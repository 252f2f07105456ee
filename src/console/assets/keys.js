/**
 * Keys of the current screen, and the sheet that lists them.
 *
 * Keys without a modifier can be switched off, since people who dictate type them by accident (WCAG
 * 2.1.4). None works while a text is typed or a dialog is open.
 */

import { dialog } from "./dialogs.js";
import { h } from "./dom.js";
import { t } from "./i18n.js";

/**
 * @typedef {object} Shortcut
 * @property {string} key as `KeyboardEvent.key`; `Shift+` and `Mod+` (Ctrl or Command) before it
 * @property {string} label key of its text
 * @property {(event: KeyboardEvent) => void} [run] none: the focused part handles it
 */

const STORED = "samegate.keys";
/** @type {Shortcut[]} */
let ofScreen = [];
/** @type {Shortcut[]} */
let ofPage = [];
let areOn = localStorage.getItem(STORED) !== "off";

/** @param {Shortcut[]} shortcuts */
export function setPageKeys(shortcuts) {
  ofPage = shortcuts;
}

/** @param {Shortcut[]} shortcuts */
export function setScreenKeys(shortcuts) {
  ofScreen = shortcuts;
}

/** @param {KeyboardEvent} event */
function nameOf(event) {
  const mod = event.ctrlKey || event.metaKey ? "Mod+" : "";
  const shift = event.shiftKey && (event.key.length > 1 || mod) ? "Shift+" : "";
  return mod + shift + (event.key === " " ? "Space" : event.key);
}

/** @param {EventTarget | null} target */
function isTyped(target) {
  return target instanceof HTMLElement && Boolean(target.closest("input:not([type=checkbox], [type=radio], [type=range], [type=file]), textarea, select, dialog"));
}

addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.altKey || isTyped(event.target)) return;
  const name = nameOf(event);
  if (!areOn && name.length === 1) return;
  // A button and a link react to these themselves.
  const isPressed = event.target instanceof HTMLElement && event.target.matches("button, a, summary, input");
  if (isPressed && (name === "Enter" || name === "Space")) return;
  const shortcut = [...ofScreen, ...ofPage].find(({ key, run }) => run && key === name);
  if (!shortcut?.run) return;
  event.preventDefault();
  shortcut.run(event);
});

/** Shows the keys of the screen and of all screens. */
export function showKeys() {
  const rows = (/** @type {Shortcut[]} */ shortcuts) => shortcuts.map(({ key, label }) =>
    h("tr", {}, h("td", {}, key.split("+").map((part) => h("kbd", {}, part))), h("td", {}, t(label))));
  const table = (/** @type {string} */ title, /** @type {Shortcut[]} */ shortcuts) => shortcuts.length > 0 && h("table", { class: "keys" },
    h("caption", {}, title), h("tbody", {}, rows(shortcuts)));
  return dialog(t("keys"), (close) => [
    h("div", { class: "columns" }, table(t("keys_here"), ofScreen), table(t("keys_everywhere"), ofPage)),
    h("label", { class: "check" },
      h("input", {
        type: "checkbox",
        checked: areOn,
        onchange(/** @type {any} */ event) {
          areOn = event.target.checked;
          localStorage.setItem(STORED, areOn ? "on" : "off");
        },
      }), t("keys_single")),
    h("div", { class: "actions" }, h("button", { type: "button", class: "primary", onclick: () => close() }, t("close"))),
  ], { wide: true });
}
