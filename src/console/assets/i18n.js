/** The language of the pages: that of the browser, until its user chooses another. */

import en from "./strings/en.js";
import zh from "./strings/zh.js";

/** @type {Record<string, Record<string, string>>} */
const LANGUAGES = { en, zh };
const STORED = "samegate.language";

let language = localStorage.getItem(STORED) ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
if (!(language in LANGUAGES)) language = "en";
document.documentElement.lang = language;

/** Returns the code of the language in use. */
export function currentLanguage() {
  return language;
}

/** Changes the language and remembers it; whoever calls this shows the pages again. */
export function toggleLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem(STORED, language);
  document.documentElement.lang = language;
}

/**
 * Returns a text in the language in use. `{name}` is replaced by a value, numbers with separators;
 * of `one image|{n} images` the first form is for `n` = 1.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  const text = LANGUAGES[language][key] ?? key;
  const [one, many = one] = text.split("|");
  const form = values.n === 1 ? one : many;
  return form.replaceAll(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? number(value) : value;
  });
}

/**
 * Returns the text of a key, or another text where the languages have no such key.
 * @param {string} key
 * @param {string} other
 */
export function tOr(key, other) {
  return LANGUAGES[language][key] ?? other;
}

/** @param {number} value */
export function number(value) {
  return value.toLocaleString(language);
}

/**
 * Writes a share such as 0.414 as a percentage.
 * @param {number} share
 */
export function percent(share, digits = 0) {
  return share.toLocaleString(language, { style: "percent", maximumFractionDigits: digits });
}

/** @param {number} count */
export function bytes(count) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (count >= 1024 && unit < units.length - 1) {
    count /= 1024;
    unit += 1;
  }
  return `${count.toLocaleString(language, { maximumFractionDigits: unit && count < 100 ? 1 : 0 })} ${units[unit]}`;
}

/** @param {string | undefined} time as the API writes it */
export function time(time) {
  if (!time) return "–";
  return new Date(time).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
}
