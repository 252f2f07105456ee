/**
 * The groups of same images as the gateway finds them, to be decided.
 *
 * Copies of a kept image are marked to be deleted. Nothing is deleted until a group is accepted, and
 * the summary of all accepted groups is confirmed.
 */

import { call, CallError, stream } from "../api.js";
import { deleteImages, runAll } from "../bulk.js";
import { dialog, explain, showError, toast } from "../dialogs.js";
import { fill, h, icon, refill } from "../dom.js";
import { doomed, Groups, keptFor, toggle } from "../groups.js";
import { bytes, number, percent, t, time } from "../i18n.js";
import { setScreenKeys } from "../keys.js";
import { session } from "../session.js";
import { empty, forgetRecords, framed, jpegUrl, nameOf, recordOf, tagList } from "../views.js";
import { seen } from "./search.js";

/** @typedef {import("../views.js").Image} Image */
/** @typedef {import("../groups.js").Group} Group */
/** @typedef {{image: Image, kept: Image | undefined}} Deletion  `kept`: the image that makes it superfluous */

/** Undecided groups that are shown; the others follow when these are decided. */
const MAX_SHOWN = 200;
const DELETE_BATCH = 100;
/** Images of the summary that are shown with their pictures. */
const MAX_SUMMARY = 60;

/**
 * What a user left the screen with, to come back to.
 * @type {{library: string, groups: Groups, cursor: string, progress?: {compared: number, total: number}} | undefined}
 */
let last;

/**
 * @param {HTMLElement} place
 * @param {{library: string, go: (path: string) => void}} context
 */
export function show(place, { library, go }) {
  const canChange = !session.readOnly;
  const leaving = new AbortController();
  const view = last?.library === library ? last : { library, groups: new Groups(), cursor: "", progress: undefined };
  last = view;
  const { groups } = view;
  /** @type {Map<Group, HTMLElement>} those that are shown */
  const elements = new Map();
  let isRunning = false;
  let current = 0;
  let currentImage = 0;
  let frame = 0;

  if (!session.can(library, "FIND_DUPLICATES")) {
    fill(place, h("div", { class: "heading" }, h("h1", { tabindex: -1 }, t("duplicates"))), empty(t("cannot_find_duplicates"), t("cannot_list_why")));
    setScreenKeys([]);
    return;
  }

  const bar = h("progress", { max: 1, value: 0, "aria-label": t("progress") });
  const status = h("p", { class: "muted", role: "status" });
  const notice = h("div", {}, empty(t("duplicates_title"), t("duplicates_hint")));
  const list = h("div", { class: "groups" });
  const start = h("button", { type: "button", class: "primary", onclick: run });
  const acceptAll = h("button", { type: "button", onclick: () => decideAll() });
  const review = h("button", { type: "button", class: "danger", onclick: summary });
  fill(place,
    h("div", { class: "heading" }, h("h1", { tabindex: -1 }, t("duplicates")), h("div", { class: "actions" }, start, canChange && acceptAll, canChange && review)),
    h("div", { class: "duplicates-body" }, bar, status, notice, list));
  update();

  async function run() {
    if (isRunning) return;
    isRunning = true;
    fill(notice);
    schedule();
    try {
      for await (const event of stream("FindDuplicates", { library, cursor: view.cursor }, leaving.signal)) {
        if (leaving.signal.aborted) return;
        if (event.group) add(event.group);
        if (event.progress) progress(event.progress);
      }
      if (groups.list.length === 0) fill(notice, empty(t("no_duplicates"), t("no_duplicates_hint")));
    } catch (error) {
      if (leaving.signal.aborted) return;
      if (groups.list.length === 0) showError(notice, error, run);
      else toast(explain(error), "error");
    } finally {
      isRunning = false;
      schedule();
    }
  }

  function progress(/** @type {any} */ event) {
    view.progress = { compared: Number(event.compared ?? 0), total: Number(event.total ?? 0) };
    if (event.cursor) view.cursor = event.cursor;
    schedule();
  }

  /** Shows what has changed with the next frame: many groups may arrive in one. */
  function schedule() {
    if (frame === 0 && !leaving.signal.aborted) frame = requestAnimationFrame(update);
  }

  function update() {
    frame = 0;
    append();
    showState();
  }

  function showState() {
    const open = groups.list.filter((group) => group.verdict === "open").length;
    const shown = [...elements.keys()].filter((group) => group.verdict === "open").length;
    const n = groups.accepted().reduce((sum, group) => sum + doomed(group).length, 0);
    start.disabled = isRunning;
    fill(start, icon("copies"), t(isRunning ? "running" : view.cursor ? "find_again" : "find_duplicates"));
    acceptAll.hidden = shown === 0;
    acceptAll.textContent = t("accept_all", { n: shown });
    review.disabled = n === 0;
    review.textContent = t("review_delete", { n });
    bar.hidden = !view.progress && !isRunning;
    [bar.max, bar.value] = [Math.max(view.progress?.total ?? 1, 1), view.progress?.compared ?? 0];
    const count = groups.list.length;
    status.textContent = [view.progress && t("compared", view.progress), count > 0 && t("groups_open", { n: count, open })].filter(Boolean).join(" · ");
  }

  function add(/** @type {any} */ arrived) {
    const { group, absorbed } = groups.add(arrived);
    for (const other of absorbed) {
      elements.get(other)?.remove();
      elements.delete(other);
    }
    draw(group);
    schedule();
  }

  /** Shows the next groups, until enough undecided ones are shown; and those up to an index. */
  function append(upTo = -1) {
    let open = 0;
    for (const [index, group] of groups.list.entries()) {
      if (open >= MAX_SHOWN && index > upTo) break;
      if (group.verdict === "open") open += 1;
      if (elements.has(group)) continue;
      const element = h("article", { tabindex: -1 });
      elements.set(group, element);
      draw(group);
      list.append(element);
    }
    if (elements.size > 0) fill(notice);
  }

  /** Draws a group anew, if it is shown. */
  function draw(/** @type {Group} */ group) {
    const element = elements.get(group);
    if (!element) return;
    const { images, kept, verdict } = group;
    element.className = `group ${verdict}`;
    const isLeft = kept.size > 0;
    refill(element,
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
    const change = () => {
      toggle(group, image.contSign);
      draw(group);
      showState();
    };
    const item = h("li", { class: `member ${isKept ? "kept" : "doomed"}` },
      picture,
      h("a", { class: "name", dir: "auto", href: `#/${encodeURIComponent(library)}/image/${encodeURIComponent(image.contSign)}` }, nameOf(image)),
      h("span", { class: "muted" }, `${number(width)} × ${number(height)} · ${bytes(Number(image.sizeBytes ?? 0))}`),
      h("span", { class: "muted" }, time(image.addTime), score !== undefined && ` · ${percent(score)}`),
      tagList(image.tags),
      canChange && h("button", { type: "button", class: "verdict", "aria-pressed": String(isKept), onclick: change }, isKept ? [icon("check"), t("keep")] : [icon("trash"), t("delete")]));
    seen(item, async () => {
      const record = await recordOf(library, image.contSign);
      fill(picture, framed({ src: jpegUrl(record.thumbnailJpeg), alt: "", width, height }));
    });
    return item;
  }

  function decide(/** @type {Group} */ group, /** @type {Group["verdict"]} */ verdict) {
    if (!canChange) return;
    group.verdict = group.verdict === verdict ? "open" : verdict;
    draw(group);
    update();
    if (group.verdict !== "open") moveTo(groups.list.indexOf(group) + 1);
  }

  /** Accepts the undecided groups that are shown: no one has seen the others. */
  function decideAll() {
    for (const group of elements.keys()) {
      if (group.verdict !== "open") continue;
      group.verdict = "accepted";
      draw(group);
    }
    update();
  }

  async function summary() {
    const accepted = groups.accepted();
    /** @type {Deletion[]} */
    const deletions = accepted.flatMap((group) => doomed(group).map((image) => ({ image, kept: keptFor(group, image.contSign) })));
    const n = deletions.length;
    if (n === 0) return;
    const emptied = accepted.filter((group) => group.kept.size === 0).length;
    const freed = deletions.reduce((sum, { image }) => sum + Number(image.sizeBytes ?? 0), 0);
    const sure = await dialog(t("delete_images", { n }), (close) => [
      h("p", {}, t("summary_of", { n, groups: accepted.length, size: bytes(freed) })),
      emptied > 0 && h("p", { class: "error", role: "alert" }, t("groups_emptied", { n: emptied })),
      h("ul", { class: "summary pictures" }, deletions.slice(0, MAX_SUMMARY).map(({ image, kept }) =>
        h("li", {}, summarised(image, "delete"), kept && summarised(kept, "keep"))),
      n > MAX_SUMMARY && h("li", { class: "muted" }, t("and_more", { n: n - MAX_SUMMARY }))),
      h("p", {}, t("delete_warning")),
      h("div", { class: "actions" },
        h("button", { type: "button", onclick: () => close(false) }, t("cancel")),
        h("button", { type: "button", class: "danger", onclick: () => close(true) }, t("delete_n", { n }))),
    ], { wide: true });
    if (sure) await remove(deletions);
  }

  function summarised(/** @type {Image} */ image, /** @type {"delete" | "keep"} */ what) {
    const picture = h("div", { class: "member-picture" });
    recordOf(library, image.contSign).then((record) => fill(picture, h("img", { src: jpegUrl(record.thumbnailJpeg), alt: "" })), () => {});
    return h("figure", { class: what }, picture, h("figcaption", {}, h("strong", {}, t(what)), " ", h("span", { dir: "auto" }, nameOf(image))));
  }

  async function remove(/** @type {Deletion[]} */ deletions) {
    const deleted = await runAll({ title: t("deleting"), items: deletions, batch: DELETE_BATCH, run: removeBatch, name: ({ image }) => nameOf(image) });
    forgetRecords();
    toast(t("deleted_images", { n: deleted }));
    groups.settle();
    elements.clear();
    fill(list);
    update();
    if (groups.list.length === 0) fill(notice, empty(t("all_resolved"), t("no_duplicates_hint")));
  }

  /** Deletes images whose kept one is still there: another tab or client may have deleted that. */
  async function removeBatch(/** @type {Deletion[]} */ batch) {
    /** @type {Map<string, boolean>} */
    const exists = new Map();
    for (const { kept } of batch) {
      if (kept && !exists.has(kept.contSign)) exists.set(kept.contSign, await isStored(kept.contSign));
    }
    const isSafe = (/** @type {Deletion} */ { kept }) => kept === undefined || exists.get(kept.contSign) === true;
    const safe = batch.filter(isSafe).map(({ image }) => image.contSign);
    const outcomes = safe.length > 0 ? await deleteImages(library, safe) : [];
    for (const [index, sign] of safe.entries()) if (!outcomes[index]) groups.forget(sign);
    for (const [sign, isThere] of exists) if (!isThere) groups.forget(sign);
    return batch.map((one) => isSafe(one) ? outcomes.shift() : new Error(t("kept_is_gone", { name: nameOf(/** @type {Image} */ (one.kept)) })));
  }

  async function isStored(/** @type {string} */ contSign) {
    try {
      await call("GetImage", { library, contSign });
      return true;
    } catch (error) {
      if (error instanceof CallError && error.code === "not_found") return false;
      throw error;
    }
  }

  function moveTo(/** @type {number} */ index) {
    current = Math.max(0, Math.min(index, groups.list.length - 1));
    currentImage = 0;
    append(current);
    const element = elements.get(groups.list[current]);
    element?.focus();
    element?.scrollIntoView({ block: "nearest" });
  }

  /** The group that the keyboard is in. */
  function focused() {
    const at = groups.list.findIndex((group) => elements.get(group)?.contains(document.activeElement));
    if (at >= 0) current = at;
    return groups.list[current];
  }

  const isInside = (/** @type {Group | undefined} */ group) => group !== undefined && elements.get(group)?.contains(document.activeElement) === true;

  function moveImage(/** @type {number} */ step) {
    const group = focused();
    const element = group && elements.get(group);
    if (!element) return;
    currentImage = Math.max(0, Math.min(currentImage + step, group.images.size - 1));
    const buttons = /** @type {NodeListOf<HTMLElement>} */ (element.querySelectorAll("button.verdict, .member a"));
    const own = [...buttons].filter((one) => one.matches(canChange ? "button.verdict" : "a"));
    own[currentImage]?.focus();
  }

  const withGroup = (/** @type {(group: Group) => void} */ work) => () => {
    const group = focused();
    if (group) work(group);
  };
  setScreenKeys([
    { key: "f", label: "key_find", run },
    { key: "j", label: "key_next_group", run: () => (isInside(focused()) ? moveTo(current + 1) : moveTo(0)) },
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
  return () => {
    leaving.abort();
    cancelAnimationFrame(frame);
  };
}
