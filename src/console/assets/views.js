/** Parts that several screens show. */

import { call } from "./api.js";
import { h } from "./dom.js";
import { number, percent, t } from "./i18n.js";

/**
 * A stored image, as the API returns it.
 * @typedef {object} Image
 * @property {string} contSign
 * @property {string} [brief]
 * @property {number[]} [tags]
 * @property {number} [width]
 * @property {number} [height]
 * @property {string} [sizeBytes]
 * @property {string} [addTime]
 * @property {string} [thumbnailJpeg]
 * @property {string} [previewJpeg]
 */

/** @param {Image} image */
export function nameOf(image) {
  return image.brief || image.contSign;
}

/**
 * Returns the address of the preview of an image for `src`; of its thumbnail where none is stored.
 * @param {Image} image
 */
export function previewUrl({ previewJpeg, thumbnailJpeg }) {
  return jpegUrl(previewJpeg || thumbnailJpeg);
}

/**
 * Returns the address of a thumbnail for `src`; none without a thumbnail.
 * @param {string | undefined} jpeg base64
 */
export function jpegUrl(jpeg) {
  return jpeg ? `data:image/jpeg;base64,${jpeg}` : undefined;
}

/**
 * Shows an image with the outline of a part of it. The box has the shape of the image, so that the
 * outline needs no measuring.
 * @param {{src?: string, alt: string, width?: number, height?: number, outline?: {corners: {x?: number, y?: number}[]}}} options
 */
export function framed({ src, alt, width, height, outline }) {
  const box = h("div", { class: "framed" });
  const image = src ? h("img", { src, alt, decoding: "async" }) : h("div", { class: "no-image", role: "img", "aria-label": alt });
  const shape = (/** @type {number} */ w, /** @type {number} */ v) => box.style.setProperty("--ratio", String(w / v));
  if (width && height) shape(width, height);
  else image.addEventListener("load", () => shape(image.naturalWidth, image.naturalHeight));
  box.append(image);
  if (outline) {
    const points = outline.corners.map(({ x = 0, y = 0 }) => `${x},${y}`).join(" ");
    box.append(h("svg", { class: "outline", viewBox: "0 0 1 1", preserveAspectRatio: "none", "aria-hidden": "true" },
      h("polygon", { points, class: "halo" }), h("polygon", { points })));
  }
  return box;
}

/**
 * Shows a brief as text; addresses in it are links that open by a click, and nothing is fetched.
 * @param {string} brief
 */
export function linked(brief) {
  return brief.split(/(https?:\/\/[^\s"'<>]+)/).map((part, index) => index % 2 === 0 ? part
    : h("a", { href: part, target: "_blank", rel: "noopener noreferrer nofollow" }, part));
}

/** @param {number[] | undefined} tags */
export function tagList(tags) {
  return tags?.length ? h("ul", { class: "tags" }, tags.map((tag) => h("li", {}, String(tag)))) : null;
}

/** @param {number} score */
export function scoreBar(score) {
  return h("div", { class: "score" },
    h("meter", { min: 0, max: 1, value: score, "aria-label": t("score") }),
    h("strong", {}, percent(score, 1)));
}

/**
 * Reads up to two tags from a text, separated by spaces or commas; `null` if it has others.
 * @param {string} text
 * @returns {number[] | null}
 */
export function parseTags(text) {
  const tags = text.split(/[\s,，]+/).filter(Boolean).map(Number);
  const areValid = tags.every((tag) => Number.isInteger(tag) && tag >= 1 && tag <= 65535);
  return areValid && tags.length <= 2 ? [...new Set(tags)] : null;
}

/**
 * A text field with its label.
 * @param {string} label
 * @param {Record<string, any>} properties of the input
 * @param {string} [hint]
 */
export function field(label, properties, hint) {
  return h("label", { class: "field" }, h("span", {}, label), h("input", { type: "text", autocomplete: "off", ...properties }),
    hint && h("small", { class: "muted" }, hint));
}

/** A field for tags, which says what is wrong with its text. */
export function tagField(value = "") {
  const check = (/** @type {any} */ event) => event.target.setCustomValidity(parseTags(event.target.value) ? "" : t("tags_invalid"));
  return field(t("tags"), { name: "tags", value, inputmode: "numeric", oninput: check }, t("tags_hint"));
}

/**
 * A field for a brief, which counts its bytes against the limit.
 * @param {string} value
 */
export function briefField(value) {
  const count = h("small", { class: "muted" });
  const size = (/** @type {string} */ text) => new TextEncoder().encode(text).length;
  const check = (/** @type {HTMLTextAreaElement} */ area) => {
    const length = size(area.value);
    count.textContent = t("brief_bytes", { n: length });
    area.setCustomValidity(length > 256 ? t("brief_too_long", { n: length }) : "");
  };
  const area = h("textarea", { name: "brief", rows: 3, value, dir: "auto", oninput: (/** @type {any} */ event) => check(event.target) });
  check(area);
  return h("label", { class: "field" }, h("span", {}, t("brief")), area, count);
}

/** @type {Map<string, Promise<Image>>} */
const records = new Map();

/**
 * Reads the record of an image with its thumbnail; a record that was read lately is not read again.
 * @param {string} library
 * @param {string} contSign
 * @returns {Promise<Image>}
 */
export function recordOf(library, contSign) {
  const key = `${library}\n${contSign}`;
  const known = records.get(key);
  if (known) return known;
  const reading = queued(() => call("GetImage", { library, contSign })).then((response) => response.image);
  records.set(key, reading);
  reading.catch(() => records.delete(key));
  if (records.size > 1000) records.delete(records.keys().next().value ?? "");
  return reading;
}

/** Forgets the records that were read, after a change. */
export function forgetRecords() {
  records.clear();
}

/** Reads that run at the same time: enough to fill a screen quickly, few enough for a quota. */
const MAX_READS = 6;
let reads = 0;
/** @type {(() => void)[]} */
const waiting = [];

/**
 * @template T
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
async function queued(work) {
  if (reads >= MAX_READS) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
  reads += 1;
  try {
    return await work();
  } finally {
    reads -= 1;
    waiting.shift()?.();
  }
}

/**
 * A text such as "123,456 of 500,000 images".
 * @param {import("./session.js").Library} library
 */
export function sizeText(library) {
  if (library.imageCount === undefined) return t("at_vendor");
  const n = Number(library.imageCount);
  return t("size_of", { n, count: number(n), capacity: number(Number(library.imageCapacity ?? 0)) });
}

/**
 * What a screen shows when there is nothing.
 * @param {string} title
 * @param {import("./dom.js").Child} text
 * @param {...import("./dom.js").Child} actions
 */
export function empty(title, text, ...actions) {
  return h("div", { class: "empty" }, h("h2", {}, title), h("p", {}, text), actions.length > 0 && h("div", { class: "actions" }, actions));
}
