/** The search: a photograph, a file, an address or a stored image, and the stored images that are the same. */

import { call } from "../api.js";
import { ask, dialog, explain, showError, toast } from "../dialogs.js";
import { fill, h, icon, refill } from "../dom.js";
import { base64, filesOf, pick, release } from "../files.js";
import { percent, t } from "../i18n.js";
import { setScreenKeys } from "../keys.js";
import { session } from "../session.js";
import { briefField, empty, framed, jpegUrl, nameOf, parseTags, recordOf, scoreBar, tagField, tagList } from "../views.js";

/**
 * What is searched with.
 * @typedef {object} Query
 * @property {string} library
 * @property {import("../files.js").Picked} [picked] a file or photograph
 * @property {string} [url]
 * @property {string} [contSign] of a stored image
 */

/** Matches of one search; their thumbnails are read as they come into view. */
const LIMIT = 100;
/** Score that keeps every match (SearchImagesRequest.min_score). */
const EVERY_MATCH = 0.001;

/**
 * The last search, which the screen shows again when its user returns, and which Compare compares.
 * @typedef {object} Search
 * @property {Query} query
 * @property {Wanted} wanted
 * @property {any[]} [matches] none until they have arrived
 * @property {boolean} hasMore
 * @property {number} least score of the matches that are shown
 */
/** @typedef {{tags: number[], or: boolean}} Wanted  which images may match */

/** @type {Search | undefined} */
let last;

/** @param {string} library */
export function lastSearch(library) {
  return last?.query.library === library ? last : undefined;
}

/**
 * Returns the fields of a request that name the query.
 * @param {Query} query
 */
export async function sourceOf(query) {
  if (query.picked) return { content: await base64(query.picked.blob) };
  return query.url ? { url: query.url } : { contSign: query.contSign };
}

/**
 * @param {HTMLElement} place
 * @param {{library: string, query: URLSearchParams, go: (path: string) => void}} context
 */
export function show(place, { library, query: address, go }) {
  const info = session.library(library);
  const canCompare = session.can(library, "SEARCH_BY_SIGN");
  const leaving = new AbortController();
  let searching = new AbortController();
  let chosen = 0;
  // Of several that run at the same time, only the last one counts.
  let [picks, queries] = [0, 0];
  if (last && last.query.library !== library) {
    release(last.query.picked);
    last = undefined;
  }
  /** @type {Wanted} */
  let wanted = last?.wanted ?? { tags: [], or: false };

  const input = h("input", {
    type: "file", accept: "image/*", class: "unseen",
    onchange(/** @type {any} */ event) {
      take([...event.target.files]);
      event.target.value = "";
    },
  });
  const sources = h("div", { class: "sources" },
    h("div", { class: "drop-here" },
      icon("search"), h("p", {}, t("search_hint")),
      h("div", { class: "actions" },
        h("label", { class: "button primary" }, t("choose_file"), input),
        h("button", { type: "button", onclick: openCamera }, icon("camera"), t("camera")),
        h("button", { type: "button", onclick: openUrl }, icon("link"), t("from_url")))));
  const tags = h("input", {
    type: "text", value: wanted.tags.join(" "), inputmode: "numeric", placeholder: t("tags_hint"), "aria-label": t("only_tags"), class: "short",
    onchange() {
      const parsed = parseTags(tags.value);
      tags.setCustomValidity(parsed ? "" : t("tags_invalid"));
      if (!parsed) return tags.reportValidity();
      wanted = { ...wanted, tags: parsed };
      logic.hidden = parsed.length < 2;
      if (last) search(last.query);
    },
  });
  const logic = h("select", {
    "aria-label": t("tag_logic"), hidden: wanted.tags.length < 2,
    onchange() {
      wanted = { ...wanted, or: logic.value === "or" };
      if (last && wanted.tags.length > 1) search(last.query);
    },
  }, h("option", { value: "and" }, t("tags_and")), h("option", { value: "or", selected: wanted.or }, t("tags_or")));
  const leastText = h("output", {}, percent(0));
  const least = h("input", {
    type: "range", min: 0, max: 100, value: 0, "aria-label": t("least_score"),
    oninput() {
      leastText.textContent = percent(Number(least.value) / 100);
      if (!last) return;
      last.least = Number(least.value) / 100;
      if (last.matches) showMatches();
    },
  });
  const shown = h("div", { class: "query" });
  const results = h("div", { class: "results", "aria-live": "polite" });
  fill(place,
    h("div", { class: "heading" }, h("h1", { tabindex: -1 }, t("search"))),
    h("div", { class: "search-body" },
      h("section", { class: "query-side", "aria-label": t("query") }, sources, shown),
      h("section", { class: "result-side", "aria-label": t("matches") },
        h("div", { class: "filters" },
          h("label", { class: "inline" }, h("span", {}, t("least_score")), least, leastText),
          h("label", { class: "inline" }, h("span", {}, t("only_tags")), tags), logic),
        results)));

  async function take(/** @type {File[]} */ files) {
    const [file] = files;
    if (!file) return;
    const number = (picks += 1);
    try {
      const picked = await pick(file, file.name || t("pasted"), info);
      if (number !== picks || leaving.signal.aborted) return release(picked);
      if (picked.note) toast(picked.note);
      await search({ library, picked });
    } catch (error) {
      toast(explain(error instanceof Error && !("code" in error) ? error.message : error), "error");
    }
  }

  async function openUrl() {
    const answer = await ask({
      title: t("from_url"), action: t("search"), note: t("from_url_note"),
      fields: h("label", { class: "field" }, h("span", {}, t("address")), h("input", { type: "url", name: "url", required: true, maxlength: 1024, placeholder: "https://" })),
    });
    if (answer) search({ library, url: String(answer.get("url")) });
  }

  async function openCamera() {
    const photograph = await takePhotograph();
    if (photograph) take([photograph]);
  }

  async function search(/** @type {Query} */ query) {
    searching.abort();
    searching = new AbortController();
    const { signal } = searching;
    picks += 1;
    if (last && last.query.picked !== query.picked) release(last.query.picked);
    last = { query, wanted, hasMore: false, least: Number(least.value) / 100 };
    chosen = 0;
    showQuery();
    fill(results, h("p", { class: "muted", role: "status" }, t("searching")));
    results.classList.add("busy");
    try {
      const request = { library, ...(await sourceOf(query)), tags: wanted.tags, tagLogic: wanted.or ? "TAG_LOGIC_OR" : "TAG_LOGIC_AND", limit: LIMIT, minScore: EVERY_MATCH };
      const response = await call("SearchImages", request, signal);
      if (signal.aborted) return;
      last = { ...last, matches: response.matches ?? [], hasMore: response.hasMore ?? false };
      showMatches();
    } catch (error) {
      if (!signal.aborted) showError(results, error, () => search(query));
    } finally {
      if (!signal.aborted) results.classList.remove("busy");
    }
  }

  const visible = () => (last?.matches ?? []).filter((match) => (match.score ?? 0) >= (last?.least ?? 0));

  async function showQuery() {
    const number = (queries += 1);
    if (!last) return fill(shown);
    const { query } = last;
    const match = visible()[chosen];
    const outline = match?.geometry?.query;
    sources.classList.add("compact");
    if (query.picked) return fill(shown, framed({ src: query.picked.url, alt: t("query"), outline }), h("p", { class: "muted" }, query.picked.name));
    if (query.url) return fill(shown, h("p", { class: "muted", dir: "ltr" }, query.url), h("p", { class: "muted" }, t("url_not_shown")));
    const image = await recordOf(library, query.contSign ?? "").catch(() => undefined);
    if (number !== queries) return;
    fill(shown, image && framed({ src: jpegUrl(image.thumbnailJpeg), alt: nameOf(image), width: image.width, height: image.height, outline }),
      h("p", { class: "muted", dir: "auto" }, image ? nameOf(image) : query.contSign));
  }

  function showMatches() {
    if (!last?.matches) return;
    const matches = visible();
    chosen = Math.min(chosen, Math.max(0, matches.length - 1));
    showQuery();
    if (matches.length === 0) return showNone();
    const items = matches.map((match, index) => matchCard(match, index));
    refill(results, h("p", { class: "muted", role: "status" }, t("matches_n", { n: matches.length }), last.hasMore && ` ${t("there_are_more")}`),
      h("ol", { class: "matches" }, items));
    choose(chosen, false);
  }

  function showNone() {
    const n = last?.matches?.length ?? 0;
    // Among images with other tags there may be the same one.
    const isTagged = wanted.tags.length > 0;
    const canAdd = !session.readOnly && n === 0 && !isTagged && !last?.query.contSign;
    fill(results, empty(t("no_match"), n > 0 ? t("no_match_above", { n }) : t(isTagged ? "no_match_tagged" : "no_match_hint"),
      canAdd && h("button", { type: "button", class: "primary", onclick: add }, icon("add"), t("add_it"))));
  }

  function matchCard(/** @type {any} */ match, /** @type {number} */ index) {
    const picture = h("div", { class: "match-picture" });
    const facts = [
      match.geometry && t("overlap_is", { share: percent(match.geometry.overlap ?? 0) }),
      match.agreement !== undefined && t("agreement_is", { share: percent(match.agreement) }),
    ].filter(Boolean);
    const compare = canCompare && match.geometry && h("button", { type: "button", onclick: () => compareWith(match) }, icon("compare"), t("compare"));
    const item = h("li", { class: "match", data: { index: String(index) }, onclick: () => choose(index, false), onfocusin: () => choose(index, false) },
      picture,
      h("div", { class: "match-text" },
        scoreBar(match.score ?? 0),
        session.can(library, "LIST")
          ? h("a", { href: `#/${encodeURIComponent(library)}/image/${encodeURIComponent(match.contSign)}`, class: "name", dir: "auto" }, nameOf(match))
          : h("span", { class: "name", dir: "auto" }, nameOf(match)),
        tagList(match.tags), facts.length > 0 && h("p", { class: "muted" }, facts.join(" · ")),
        compare && h("div", { class: "actions" }, compare)));
    if (session.can(library, "LIST")) seen(item, async () => {
      const image = await recordOf(library, match.contSign);
      fill(picture, framed({ src: jpegUrl(image.thumbnailJpeg), alt: "", width: image.width, height: image.height, outline: match.geometry?.stored }));
    });
    return item;
  }

  function choose(/** @type {number} */ index, scroll = true) {
    const changed = index !== chosen;
    chosen = Math.max(0, Math.min(index, visible().length - 1));
    for (const item of results.querySelectorAll(".match")) {
      const isChosen = /** @type {HTMLElement} */ (item).dataset.index === String(chosen);
      item.classList.toggle("chosen", isChosen);
      if (isChosen && scroll) item.scrollIntoView({ block: "nearest" });
    }
    if (changed) showQuery();
  }

  function compareWith(/** @type {any} */ match) {
    const from = last?.query.contSign;
    go(`compare?stored=${encodeURIComponent(match.contSign)}${from ? `&query=${encodeURIComponent(from)}` : ""}`);
  }

  async function add() {
    if (!last) return;
    const { query } = last;
    const answer = await ask({ title: t("add_it"), action: t("add"), fields: [briefField(query.picked?.name ?? ""), tagField()] });
    if (!answer) return;
    try {
      const request = { library, ...(await sourceOf(query)), brief: String(answer.get("brief")), tags: parseTags(String(answer.get("tags"))) ?? [], onDuplicate: "ON_DUPLICATE_ACCEPT" };
      const added = await call("AddImage", request);
      toast(t(added.existed ? "existed_already" : "added_images", { n: 1 }));
      search(query);
    } catch (error) {
      toast(explain(error), "error");
    }
  }

  const options = { signal: leaving.signal };
  addEventListener("paste", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const files = filesOf(event.clipboardData);
    const text = event.clipboardData?.getData("text/plain").trim() ?? "";
    if (files.length > 0) take(files);
    else if (/^https?:\/\/\S+$/.test(text) && !(event.target instanceof HTMLInputElement)) search({ library, url: text });
  }, options);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    place.classList.add("drop");
  }, options);
  addEventListener("dragleave", (event) => event.relatedTarget === null && place.classList.remove("drop"), options);
  addEventListener("drop", (event) => {
    event.preventDefault();
    place.classList.remove("drop");
    take(filesOf(event.dataTransfer));
  }, options);
  setScreenKeys([
    { key: "f", label: "key_file", run: () => input.click() },
    { key: "c", label: "key_camera", run: openCamera },
    { key: "u", label: "key_url", run: openUrl },
    { key: "Mod+v", label: "key_paste" },
    { key: "j", label: "key_next", run: () => choose(chosen + 1) },
    { key: "k", label: "key_previous", run: () => choose(chosen - 1) },
    { key: "Enter", label: "key_open", run: () => visible()[chosen] && session.can(library, "LIST") && go(`image/${encodeURIComponent(visible()[chosen].contSign)}`) },
    ...(canCompare ? [{ key: "x", label: "key_compare", run: () => visible()[chosen]?.geometry && compareWith(visible()[chosen]) }] : []),
  ]);

  const sign = address.get("sign");
  if (sign && last?.query.contSign !== sign) search({ library, contSign: sign });
  else if (last) {
    least.value = String(last.least * 100);
    leastText.textContent = percent(last.least);
    // One that was left or has failed before its matches arrived is made again.
    if (last.matches) showMatches();
    else search(last.query);
  } else fill(results, h("p", { class: "muted" }, t("results_here")));
  return () => {
    leaving.abort();
    searching.abort();
    place.classList.remove("drop");
  };
}

/**
 * Calls `work` once, when an element comes into view.
 * @param {Element} element
 * @param {() => Promise<void>} work
 */
export function seen(element, work) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    // Without its thumbnail a match is still a match.
    work().catch(() => {});
  }, { rootMargin: "200px" });
  observer.observe(element);
}

/**
 * Takes a photograph: with the phone's own camera where a finger is the pointer, else in a dialog.
 * @returns {Promise<File | undefined>}
 */
async function takePhotograph() {
  const hasMedia = navigator.mediaDevices !== undefined;
  if (!hasMedia || matchMedia("(pointer: coarse)").matches) return captured();
  const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1920 } } }).catch(() => undefined);
  if (!stream) {
    toast(t("no_camera"), "error");
    return undefined;
  }
  const video = h("video", { autoplay: true, playsinline: true, muted: true, srcObject: stream, "aria-label": t("camera") });
  try {
    return await dialog(t("camera"), (close) => [video, h("div", { class: "actions" },
      h("button", { type: "button", onclick: () => close() }, t("cancel")),
      h("button", { type: "button", class: "primary shutter", onclick: async () => close(await frameOf(video)) }, icon("camera"), t("take_photo")))], { wide: true });
  } finally {
    for (const track of stream.getTracks()) track.stop();
  }
}

/** @returns {Promise<File | undefined>} */
function captured() {
  return new Promise((resolve) => {
    const input = h("input", { type: "file", accept: "image/*", capture: "environment", onchange: () => resolve(input.files?.[0]), oncancel: () => resolve(undefined) });
    input.click();
  });
}

/** @param {HTMLVideoElement} video */
async function frameOf(video) {
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
  return new File([blob], t("photograph"), { type: blob.type });
}
