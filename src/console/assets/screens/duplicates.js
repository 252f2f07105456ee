/**
 * Groups of same images as the gateway finds them, and what is kept of each.
 *
 * The best image of each group is marked to be kept, the others to be deleted. Nothing is deleted
 * until a group is accepted, and the summary of all accepted groups is confirmed.
 */

import { call, stream } from "../api.js";
import { runAll } from "../bulk.js";
import { dialog, explain, showError, toast } from "../dialogs.js";
import { fill, h, icon } from "../dom.js";
import { bytes, number, percent, t, time } from "../i18n.js";
import { setScreenKeys } from "../keys.js";
import { session } from "../session.js";
import { empty, forgetRecords, framed, jpegUrl, nameOf, recordOf, tagList } from "../views.js";
import { seen } from "./search.js";

/** @typedef {import("../views.js").Image} Image */
/**
 * @typedef {object} Group
 * @property {Map<string, Image>} images
 * @property {Map<string, number>} scores best score of the pairs of each image
 * @property {Set<string>} kept signs
 * @property {"open" | "accepted" | "different"} verdict
 * @property {HTMLElement} element
 */

/** Groups that are shown; the others follow when these are resolved. */
const MAX_SHOWN = 200;
const DELETE_BATCH = 100;

/**
 * @param {HTMLElement} place
 * @param {{library: string, go: (path: string) => void}} context
 */
export function show(place, { library, go }) {
  const canChange = !session.readOnly;
  const leaving = new AbortController();
  /** @type {Group[]} */
  let groups = [];
  /** @type {Map<string, Group>} */
  const groupOf = new Map();
  let cursor = "";
  let isRunning = false;
  let current = 0;
  let currentImage = 0;

  if (!session.can(library, "FIND_DUPLICATES")) {
    fill(place, h("div", { class: "heading" }, h("h1", { tabindex: -1 }, t("duplicates"))), empty(t("cannot_find_duplicates"), t("cannot_list_why")));
    setScreenKeys([]);
    return;
  }

  const bar = h("progress", { max: 1, value: 0, "aria-label": t("progress") });
  const status = h("p", { class: "muted", role: "status" });
  const list = h("div", { class: "groups" });
  const start = h("button", { type: "button", class: "primary", onclick: run });
  const acceptAll = h("button", { type: "button", onclick: () => decideAll() }, t("accept_all"));
  const review = h("button", { type: "button", class: "danger", onclick: summary });
  fill(place,
    h("div", { class: "heading" }, h("h1", { tabindex: -1 }, t("duplicates")), h("div", { class: "actions" }, start, canChange && acceptAll, canChange && review)),
    h("div", { class: "duplicates-body" }, bar, status, list));
  const hint = empty(t("duplicates_title"), t("duplicates_hint"));
  list.append(hint);
  showState();

  async function run() {
    if (isRunning) return;
    isRunning = true;
    hint.remove();
    showState();
    try {
      for await (const event of stream("FindDuplicates", { library, cursor }, leaving.signal)) {
        if (event.group) merge(event.group);
        if (event.progress) progress(event.progress);
      }
      if (groups.length === 0) fill(list, empty(t("no_duplicates"), t("no_duplicates_hint")));
    } catch (error) {
      if (leaving.signal.aborted) return;
      if (groups.length === 0) showError(list, error, run);
      else toast(explain(error), "error");
    } finally {
      isRunning = false;
      showState();
    }
  }

  function progress(/** @type {any} */ event) {
    const [compared, total] = [Number(event.compared ?? 0), Number(event.total ?? 0)];
    [bar.max, bar.value] = [Math.max(total, 1), compared];
    if (event.cursor) cursor = event.cursor;
    bar.dataset.text = t("compared", { compared, total });
    showState();
  }

  function showState() {
    const open = groups.filter((group) => group.verdict === "open").length;
    const doomed = toDelete().length;
    start.disabled = isRunning;
    fill(start, icon("copies"), t(isRunning ? "running" : cursor ? "find_again" : "find_duplicates"));
    acceptAll.disabled = open === 0;
    review.disabled = doomed === 0;
    review.textContent = t("review_delete", { n: doomed });
    bar.hidden = !isRunning && !bar.dataset.text;
    status.textContent = [bar.dataset.text, groups.length > 0 && t("groups_open", { n: groups.length, open })].filter(Boolean).join(" · ");
  }

  /** Adds a group; groups that share an image are one. */
  function merge(/** @type {any} */ arrived) {
    /** @type {Set<Group>} */
    const shared = new Set((arrived.images ?? []).map((/** @type {Image} */ image) => groupOf.get(image.contSign)).filter(Boolean));
    const [first, ...others] = shared;
    const group = first ?? { images: new Map(), scores: new Map(), kept: new Set(), verdict: "open", element: h("article", { class: "group", tabindex: -1 }) };
    for (const other of others) {
      for (const [sign, image] of other.images) group.images.set(sign, image);
      for (const [sign, score] of other.scores) group.scores.set(sign, score);
      other.element.remove();
    }
    if (others.length > 0) groups = groups.filter((one) => !shared.has(one) || one === group);
    if (!first) groups.push(group);
    for (const image of arrived.images ?? []) group.images.set(image.contSign, image);
    for (const { a, b, score = 0 } of arrived.pairs ?? []) {
      for (const sign of [a, b]) group.scores.set(sign, Math.max(score, group.scores.get(sign) ?? 0));
    }
    for (const sign of group.images.keys()) groupOf.set(sign, group);
    group.kept = new Set([best([...group.images.values()]).contSign]);
    group.verdict = "open";
    draw(group);
    if (!group.element.isConnected && list.childElementCount < MAX_SHOWN) list.append(group.element);
    showState();
  }

  function draw(/** @type {Group} */ group) {
    const { element, images, kept, verdict } = group;
    element.className = `group ${verdict}`;
    const isLeft = kept.size > 0;
    fill(element,
      h("header", {},
        h("h2", {}, t("group_of", { n: images.size })),
        h("span", { class: "badge" }, t(verdict === "open" ? "undecided" : verdict === "accepted" ? "accepted" : "not_the_same")),
        !isLeft && h("span", { class: "error" }, t("nothing_left")),
        canChange && h("div", { class: "actions" },
          h("button", { type: "button", onclick: () => decide(group, "different") }, t("not_the_same")),
          h("button", { type: "button", class: "primary", onclick: () => decide(group, "accepted") }, icon("check"), t("accept")))),
      h("ul", { class: "members" }, [...images.values()].map((image) => member(group, image))));
  }

  function member(/** @type {Group} */ group, /** @type {Image} */ image) {
    const { width = 0, height = 0 } = image;
    const isKept = group.kept.has(image.contSign);
    const picture = h("div", { class: "member-picture" });
    const score = group.scores.get(image.contSign);
    const toggle = () => {
      if (!group.kept.delete(image.contSign)) group.kept.add(image.contSign);
      if (group.verdict === "different") group.verdict = "open";
      draw(group);
      showState();
      focusToggle(group, image.contSign);
    };
    const item = h("li", { class: `member ${isKept ? "kept" : "doomed"}` },
      picture,
      h("a", { class: "name", dir: "auto", href: `#/${encodeURIComponent(library)}/image/${encodeURIComponent(image.contSign)}` }, nameOf(image)),
      h("span", { class: "muted" }, `${number(width)} × ${number(height)} · ${bytes(Number(image.sizeBytes ?? 0))}`),
      h("span", { class: "muted" }, time(image.addTime), score !== undefined && ` · ${percent(score)}`),
      tagList(image.tags),
      canChange && h("button", { type: "button", class: "verdict", "aria-pressed": String(isKept), data: { sign: image.contSign }, onclick: toggle }, isKept ? [icon("check"), t("keep")] : [icon("trash"), t("delete")]));
    seen(item, async () => {
      const record = await recordOf(library, image.contSign);
      fill(picture, framed({ src: jpegUrl(record.thumbnailJpeg), alt: "", width, height }));
    });
    return item;
  }

  /** Keeps the focus at the button of an image that was drawn anew. */
  function focusToggle(/** @type {Group} */ group, /** @type {string} */ sign) {
    const buttons = /** @type {NodeListOf<HTMLElement>} */ (group.element.querySelectorAll("button.verdict"));
    [...buttons].find((button) => button.dataset.sign === sign)?.focus();
  }

  function decide(/** @type {Group} */ group, /** @type {Group["verdict"]} */ verdict) {
    if (!canChange) return;
    group.verdict = group.verdict === verdict ? "open" : verdict;
    draw(group);
    showState();
    if (group.verdict !== "open") moveTo(groups.indexOf(group) + 1);
  }

  function decideAll() {
    for (const group of groups) {
      if (group.verdict !== "open") continue;
      group.verdict = "accepted";
      draw(group);
    }
    showState();
  }

  function toDelete() {
    const accepted = groups.filter((group) => group.verdict === "accepted");
    return accepted.flatMap((group) => [...group.images.values()].filter((image) => !group.kept.has(image.contSign)));
  }

  async function summary() {
    const doomed = toDelete();
    if (doomed.length === 0) return;
    const accepted = groups.filter((group) => group.verdict === "accepted");
    const emptied = accepted.filter((group) => group.kept.size === 0).length;
    const freed = doomed.reduce((sum, image) => sum + Number(image.sizeBytes ?? 0), 0);
    const sure = await dialog(t("delete_images", { n: doomed.length }), (close) => [
      h("p", {}, t("summary_of", { n: doomed.length, groups: accepted.length, size: bytes(freed) })),
      emptied > 0 && h("p", { class: "error", role: "alert" }, t("groups_emptied", { n: emptied })),
      h("ul", { class: "summary pictures" }, doomed.slice(0, 60).map((image) => {
        const picture = h("div", { class: "member-picture" });
        recordOf(library, image.contSign).then((record) => fill(picture, h("img", { src: jpegUrl(record.thumbnailJpeg), alt: "" })), () => {});
        return h("li", {}, picture, h("span", { dir: "auto" }, nameOf(image)));
      }), doomed.length > 60 && h("li", { class: "muted" }, t("and_more", { n: doomed.length - 60 }))),
      h("p", {}, t("delete_warning")),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: () => close(false) }, t("cancel")),
        h("button", { type: "button", class: "danger", onclick: () => close(true) }, t("delete_n", { n: doomed.length }))),
    ], { wide: true });
    if (sure) await remove(doomed);
  }

  async function remove(/** @type {Image[]} */ doomed) {
    const batches = [];
    for (let i = 0; i < doomed.length; i += DELETE_BATCH) batches.push(doomed.slice(i, i + DELETE_BATCH));
    let deleted = 0;
    await runAll({
      title: t("deleting"), items: batches, name: (batch) => t("batch_of", { n: batch.length, name: nameOf(batch[0]) }),
      async run(batch) {
        const response = await call("DeleteImages", { library, contSigns: { values: batch.map((image) => image.contSign) } });
        for (const [index, result] of (response.results ?? []).entries()) {
          if (!result.status?.code) forget(batch[index].contSign);
          deleted += result.status?.code ? 0 : 1;
        }
      },
    });
    forgetRecords();
    toast(t("deleted_images", { n: deleted }));
    // A group of one image is none.
    groups = groups.filter((group) => group.images.size > 1);
    fill(list, groups.slice(0, MAX_SHOWN).map((group) => group.element));
    if (groups.length === 0) fill(list, empty(t("all_resolved"), t("no_duplicates_hint")));
    showState();
  }

  function forget(/** @type {string} */ sign) {
    const group = groupOf.get(sign);
    group?.images.delete(sign);
    groupOf.delete(sign);
    if (group && group.images.size > 1) {
      group.verdict = "open";
      draw(group);
    }
  }

  function moveTo(/** @type {number} */ index) {
    current = Math.max(0, Math.min(index, groups.length - 1));
    currentImage = 0;
    const group = groups[current];
    if (!group) return;
    if (!group.element.isConnected) list.append(group.element);
    group.element.focus();
    group.element.scrollIntoView({ block: "nearest" });
  }

  /** The group that the keyboard is in. */
  function focused() {
    const at = groups.findIndex((group) => group.element.contains(document.activeElement));
    if (at >= 0) current = at;
    return groups[current];
  }

  function moveImage(/** @type {number} */ step) {
    const group = focused();
    if (!group) return;
    currentImage = Math.max(0, Math.min(currentImage + step, group.images.size - 1));
    const buttons = /** @type {NodeListOf<HTMLElement>} */ (group.element.querySelectorAll("button.verdict, .member a"));
    const own = [...buttons].filter((one) => one.matches(canChange ? "button.verdict" : "a"));
    own[currentImage]?.focus();
  }

  const withGroup = (/** @type {(group: Group) => void} */ work) => () => {
    const group = focused();
    if (group) work(group);
  };
  setScreenKeys([
    { key: "f", label: "key_find", run },
    { key: "j", label: "key_next_group", run: () => (focused()?.element.contains(document.activeElement) ? moveTo(current + 1) : moveTo(0)) },
    { key: "k", label: "key_previous_group", run: () => (focused(), moveTo(current - 1)) },
    { key: "ArrowRight", label: "key_next_image", run: () => moveImage(document.activeElement?.matches("button.verdict") ? 1 : 0) },
    { key: "ArrowLeft", label: "key_previous_image", run: () => moveImage(-1) },
    ...(canChange ? [
      { key: "Space", label: "key_toggle_keep" },
      { key: "a", label: "key_accept", run: withGroup((group) => decide(group, "accepted")) },
      { key: "n", label: "key_different", run: withGroup((group) => decide(group, "different")) },
      { key: "r", label: "key_review", run: summary },
    ] : []),
    { key: "Enter", label: "key_open" },
  ]);
  return () => leaving.abort();
}

/**
 * Returns the image that is worth keeping: the most pixels, then the largest file, then the oldest.
 * @param {Image[]} images
 */
function best(images) {
  const pixels = (/** @type {Image} */ image) => (image.width ?? 0) * (image.height ?? 0);
  const size = (/** @type {Image} */ image) => Number(image.sizeBytes ?? 0);
  return images.reduce((one, other) => {
    const order = pixels(other) - pixels(one) || size(other) - size(one) || Date.parse(one.addTime ?? "") - Date.parse(other.addTime ?? "");
    return order > 0 ? other : one;
  });
}
