/** The library: its images in a grid, filters, changes of many images, and a place to drop new ones. */

import { call } from "../api.js";
import { deleteImages, runAll } from "../bulk.js";
import { ask, confirm, explain, showError, toast } from "../dialogs.js";
import { fill, h, icon, refill } from "../dom.js";
import { base64, filesOf, pick, release } from "../files.js";
import { Grid } from "../grid.js";
import { bytes, number, t } from "../i18n.js";
import { setScreenKeys } from "../keys.js";
import { Listing } from "../listing.js";
import { session } from "../session.js";
import { briefField, empty, field, forgetRecords, nameOf, parseTags, sizeText, tagField } from "../views.js";

/** Tags that are shown as buttons; others are typed. */
const SHOWN_TAGS = 24;
/** Signs of one call of DeleteImages that this page makes, so that progress is seen. */
const DELETE_BATCH = 500;
/** Images that can be selected at once: those that DeleteImages takes. */
const MAX_SELECTED = 10_000;
/** Bytes of the text of a filter (ImageFilter.brief_contains). */
const MAX_FILTER_BYTES = 256;

/**
 * What a user left the screen with, to come back to.
 * @typedef {object} View
 * @property {string} library
 * @property {string} text
 * @property {number[]} tags
 * @property {boolean} or
 * @property {number} top
 * @property {Map<string, {contSign: string, brief?: string, tags?: number[]}>} selected
 * @property {{index: number, sign: string} | undefined} anchor where an extended selection begins
 */

/** @type {View | undefined} */
let last;

/**
 * Shows the screen; returns what to do when it is left.
 * @param {HTMLElement} place
 * @param {{library: string, go: (path: string) => void}} context
 */
export function show(place, { library, go }) {
  const info = session.library(library);
  const canList = session.can(library, "LIST");
  const canChange = !session.readOnly;
  /** @type {View} */
  const view = last?.library === library ? last : { library, text: "", tags: [], or: false, top: 0, selected: new Map(), anchor: undefined };
  last = view;
  const { selected } = view;
  let extensions = 0;
  /** @type {Listing | undefined} */
  let listing;

  const addButton = canChange && h("label", { class: "button primary" }, icon("add"), t("add"),
    h("input", {
      type: "file", accept: "image/*", multiple: true, class: "unseen",
      onchange(/** @type {any} */ event) {
        addFiles([...event.target.files]);
        event.target.value = "";
      },
    }));
  const size = h("p", { class: "muted" }, info && sizeText(info));
  const heading = h("div", { class: "heading" }, h("div", {}, h("h1", { tabindex: -1 }, library), size), addButton);
  const body = h("div", { class: "library-body" });
  const bar = h("div", { class: "selection", role: "region", "aria-label": t("selection"), hidden: true });
  fill(place, heading, body, bar);

  if (!canList) {
    fill(body, empty(t("cannot_list"), t("cannot_list_why"),
      h("a", { class: "button primary", href: `#/${encodeURIComponent(library)}/search` }, t("search"))));
    const undrop = dropZone(place, canChange, addFiles);
    setScreenKeys([]);
    return undrop;
  }

  const grid = new Grid({
    at: (index) => listing?.at(index),
    ensure: (from, to) => listing?.ensure(from, to),
    isSelected: (sign) => selected.has(sign),
    act,
  });
  const filters = h("div", { class: "filters" });
  const note = h("p", { class: "muted count", role: "status" });
  const failure = h("div", {});
  fill(body, filters, note, failure, h("div", { class: "grid-place" }, grid.element));
  grid.element.addEventListener("scroll", () => (view.top = grid.top()));

  function filter() {
    return { tags: view.tags, tagLogic: view.or ? "TAG_LOGIC_OR" : "TAG_LOGIC_AND", briefContains: view.text };
  }

  function reload() {
    listing?.close();
    const isFirst = listing === undefined;
    fill(failure);
    listing = new Listing(library, filter(), update, (error) => showError(failure, error, reload));
    listing.ensure(0, 1);
    let restored = !isFirst;
    function update() {
      if (!listing) return;
      grid.setCount(listing.count);
      if (!restored && listing.isLoaded) {
        restored = true;
        grid.scrollToTop(view.top);
      }
      grid.refresh();
      const isFiltered = view.text !== "" || view.tags.length > 0;
      note.textContent = listing.isCountKnown ? t(isFiltered ? "found_images" : "all_images", { n: listing.count }) : t("found_so_far");
      grid.element.classList.toggle("is-empty", listing.isLoaded && listing.count === 0);
      showNothing(listing.isLoaded && listing.count === 0, isFiltered);
    }
  }

  const nothing = h("div", { class: "nothing" });
  function showNothing(/** @type {boolean} */ isEmpty, /** @type {boolean} */ isFiltered) {
    grid.element.hidden = isEmpty;
    if (!isEmpty) return nothing.remove();
    fill(nothing, isFiltered ? empty(t("nothing_found"), t("nothing_found_hint")) : empty(t("library_empty"), t(canChange ? "library_empty_hint" : "library_empty_read")));
    if (!nothing.isConnected) grid.element.after(nothing);
  }

  function act(/** @type {number} */ index, /** @type {Event} */ _event, /** @type {"open" | "toggle" | "extend"} */ kind) {
    const image = listing?.at(index);
    if (!image) return;
    if (kind === "extend") return extend(index);
    // Once a selection has begun, a tap means one more; the keyboard still opens.
    if (kind === "open" && !(selected.size > 0 && _event instanceof MouseEvent)) return go(`image/${encodeURIComponent(image.contSign)}`);
    view.anchor = { index, sign: image.contSign };
    if (!selected.delete(image.contSign)) selected.set(image.contSign, image);
    changed();
  }

  /** Selects from the anchor to an image, whatever others add and delete meanwhile. */
  function extend(/** @type {number} */ index) {
    const end = /** @type {import("../views.js").Image} */ (listing?.at(index));
    const begin = (view.anchor ??= { index, sign: end.contSign });
    if (Math.abs(index - begin.index) >= MAX_SELECTED) return toast(t("too_many_selected", { n: MAX_SELECTED }), "error");
    return select(Math.min(begin.index, index), Math.max(begin.index, index), [begin.sign, end.contSign]);
  }

  function selectAll() {
    if (!listing?.first || listing.count === 0) return;
    if (!listing.isCountKnown) return toast(t("count_unknown"), "error");
    if (listing.count > MAX_SELECTED) return toast(t("too_many_selected", { n: MAX_SELECTED }), "error");
    view.anchor = { index: 0, sign: listing.first };
    return select(0, listing.count - 1, [listing.first, undefined]);
  }

  /** Selects a range, those at hand or else from the gateway; of several, the one that was wished last. */
  async function select(/** @type {number} */ from, /** @type {number} */ to, /** @type {[string, string | undefined]} */ ends) {
    const number = (extensions += 1);
    const source = /** @type {Listing} */ (listing);
    try {
      const images = source.near(from, to, ends) ?? (await source.between(from, ends, MAX_SELECTED));
      if (number !== extensions) return;
      if (!images) {
        toast(t("selection_changed"), "error");
        clear();
        return reload();
      }
      selected.clear();
      for (const image of images) selected.set(image.contSign, image);
      changed();
    } catch (error) {
      if (number === extensions && !source.abort.signal.aborted) toast(explain(error), "error");
    }
  }

  function clear() {
    extensions += 1;
    selected.clear();
    view.anchor = undefined;
    changed();
  }

  function changed() {
    grid.refresh();
    const n = selected.size;
    bar.hidden = n === 0;
    if (n === 0) return fill(bar);
    const [only, second] = [...selected.keys()];
    const button = (/** @type {string} */ text, /** @type {any} */ name, /** @type {() => void} */ onclick, danger = false) =>
      h("button", { type: "button", class: danger ? "danger" : "", onclick }, icon(name), h("span", {}, text));
    fill(bar,
      h("strong", { role: "status" }, t("selected", { n })),
      h("div", { class: "actions" },
        n === 1 && session.can(library, "SEARCH_BY_SIGN") && button(t("find_copies"), "copies", () => go(`search?sign=${encodeURIComponent(only)}`)),
        n === 2 && session.can(library, "SEARCH_BY_SIGN") && button(t("compare"), "compare", () => go(`compare?query=${encodeURIComponent(only)}&stored=${encodeURIComponent(second)}`)),
        canChange && button(t("set_tags"), "tag", setTags),
        canChange && button(t("set_brief"), "edit", setBrief),
        canChange && button(t("delete"), "trash", remove, true),
        h("button", { type: "button", class: "plain", "aria-label": t("clear_selection"), onclick: clear }, icon("close"))));
  }

  async function afterChange() {
    forgetRecords();
    clear();
    reload();
    await Promise.all([showFilters(), showSize()]);
    grid.element.focus();
  }

  async function showSize() {
    const stats = await call("GetLibrary", { library }).catch(() => undefined);
    if (!stats || !info) return;
    [info.imageCount, info.sizeBytes] = [stats.imageCount ?? "0", stats.sizeBytes];
    size.textContent = `${sizeText(info)} · ${bytes(Number(stats.sizeBytes ?? 0))}`;
  }

  async function setTags() {
    if (!canChange || selected.size === 0) return;
    const answer = await ask({ title: t("set_tags"), action: t("save"), note: t("set_tags_note", { n: selected.size }), fields: tagField() });
    if (!answer) return;
    const values = parseTags(String(answer.get("tags"))) ?? [];
    await update((image) => ({ contSign: image.contSign, tags: { values } }), t("set_tags"));
  }

  async function setBrief() {
    if (!canChange || selected.size === 0) return;
    const [first] = selected.values();
    const answer = await ask({ title: t("set_brief"), action: t("save"), note: t("set_brief_note", { n: selected.size }), fields: briefField(selected.size === 1 ? first.brief ?? "" : "") });
    if (!answer) return;
    const brief = String(answer.get("brief"));
    await update((image) => ({ contSign: image.contSign, brief }), t("set_brief"));
  }

  async function update(/** @type {(image: {contSign: string}) => object} */ change, /** @type {string} */ title) {
    const run = async (/** @type {{contSign: string}[]} */ [image]) => void (await call("UpdateImage", { library, ...change(image) }));
    const done = await runAll({ title, items: [...selected.values()], run, name: nameOf });
    toast(t("changed_images", { n: done }));
    await afterChange();
  }

  async function remove() {
    if (!canChange || selected.size === 0) return;
    const images = [...selected.values()];
    const sure = await confirm({
      title: t("delete_images", { n: images.length }),
      text: [
        h("p", {}, t("delete_warning")),
        h("ul", { class: "summary" }, images.slice(0, 8).map((image) => h("li", { dir: "auto" }, nameOf(image))),
          images.length > 8 && h("li", { class: "muted" }, t("and_more", { n: images.length - 8 }))),
      ],
      action: t("delete_n", { n: images.length }),
      danger: true,
    });
    if (!sure) return;
    const deleted = await runAll({
      title: t("deleting"),
      items: images,
      batch: images.length > DELETE_BATCH ? DELETE_BATCH : Math.ceil(images.length / 4),
      name: nameOf,
      run: (batch) => deleteImages(library, batch.map((image) => image.contSign)),
    });
    toast(t("deleted_images", { n: deleted }));
    await afterChange();
  }

  async function addFiles(/** @type {File[]} */ files) {
    if (files.length === 0) return;
    if (!canChange) return toast(t("read_only"), "error");
    const answer = await ask({
      title: t("add_images", { n: files.length }),
      action: t("add"),
      fields: [
        h("ul", { class: "summary" }, files.slice(0, 6).map((file) => h("li", {}, file.name, " ", h("span", { class: "muted" }, bytes(file.size)))),
          files.length > 6 && h("li", { class: "muted" }, t("and_more", { n: files.length - 6 }))),
        field(t("brief"), { name: "brief", placeholder: t("brief_is_name") }, t("brief_is_name_hint")),
        tagField(view.tags.join(" ")),
      ],
    });
    if (!answer) return;
    const tags = parseTags(String(answer.get("tags"))) ?? [];
    const brief = String(answer.get("brief"));
    const done = await runAll({ title: t("adding"), items: files, name: (file) => file.name, run: async ([file]) => [await addOne(file, brief || file.name, tags)] });
    toast(t("added_images", { n: done }));
    if (canList) await afterChange();
  }

  /** Adds one file; returns a remark. */
  async function addOne(/** @type {File} */ file, /** @type {string} */ brief, /** @type {number[]} */ tags) {
    const picked = await pick(file, file.name, info);
    try {
      const request = { library, content: await base64(picked.blob), brief, tags, onDuplicate: "ON_DUPLICATE_ACCEPT", onMatch: "ON_MATCH_REPORT" };
      const added = await call("AddImage", request);
      const notes = [picked.note, added.existed && t("existed_already"), added.matches?.length && t("same_as", { name: nameOf(added.matches[0]), n: added.matches.length })];
      return notes.filter(Boolean).join("; ");
    } finally {
      release(picked);
    }
  }

  let typing = 0;
  const text = h("input", {
    type: "search", value: view.text, placeholder: t("filter_brief"), "aria-label": t("filter_brief"),
    oninput() {
      clearTimeout(typing);
      const size = new TextEncoder().encode(text.value.trim()).length;
      text.setCustomValidity(size > MAX_FILTER_BYTES ? t("brief_too_long", { n: size }) : "");
      if (!text.reportValidity()) return;
      typing = window.setTimeout(() => {
        view.text = text.value.trim();
        refilter();
      }, 250);
    },
  });

  /** Lists anew after a change of the filter; what was selected may not be listed any more. */
  function refilter() {
    view.top = 0;
    grid.scrollToTop(0);
    clear();
    reload();
  }

  async function showFilters() {
    const response = await call("ListTags", { library }).catch(() => ({}));
    const counts = /** @type {{tag: number, imageCount: string}[]} */ (response.tags ?? []);
    counts.sort((a, b) => Number(b.imageCount) - Number(a.imageCount) || a.tag - b.tag);
    const shown = counts.filter(({ tag }, index) => index < SHOWN_TAGS || view.tags.includes(tag));
    const toggle = (/** @type {number} */ tag) => {
      const without = view.tags.filter((one) => one !== tag);
      // The API filters by two tags: a third replaces the older one.
      view.tags = without.length < view.tags.length ? without : [...without, tag].slice(-2);
      draw();
      refilter();
    };
    const draw = () => refill(byTags,
      shown.length > 0 && h("div", { class: "chips", role: "group", "aria-label": t("tags") }, shown.map(({ tag, imageCount }) =>
        h("button", { type: "button", class: "chip", "aria-pressed": String(view.tags.includes(tag)), onclick: () => toggle(tag) },
          `#${tag} `, h("span", { class: "muted" }, number(Number(imageCount)))))),
      counts.length > shown.length && h("input", {
        type: "text", inputmode: "numeric", class: "short", placeholder: t("other_tag"), "aria-label": t("other_tag"),
        onchange(/** @type {any} */ event) {
          const tags = parseTags(event.target.value);
          if (tags?.length) toggle(tags[0]);
        },
      }),
      view.tags.length === 2 && h("button", {
        type: "button", class: "chip", "aria-pressed": String(view.or),
        onclick() {
          view.or = !view.or;
          draw();
          refilter();
        },
      }, t(view.or ? "tags_or" : "tags_and")));
    draw();
  }

  setScreenKeys([
    { key: "/", label: "key_filter", run: () => text.focus() },
    { key: "ArrowUp", label: "key_move" },
    { key: "Shift+ArrowDown", label: "key_extend" },
    { key: "Space", label: "key_select" },
    { key: "Enter", label: "key_open" },
    { key: "Mod+a", label: "key_all", run: selectAll },
    { key: "Escape", label: "key_clear", run: clear },
    ...(canChange ? [
      { key: "t", label: "key_tags", run: setTags },
      { key: "b", label: "key_brief", run: setBrief },
      { key: "Delete", label: "key_delete", run: remove },
    ] : []),
  ]);
  const undrop = dropZone(place, canChange, addFiles);
  const byTags = h("div", { class: "by-tags" });
  fill(filters, text, byTags);
  showFilters();
  showSize();
  reload();
  changed();
  return () => {
    clearTimeout(typing);
    listing?.close();
    grid.close();
    undrop();
  };
}

/**
 * Takes files that are dropped anywhere on the page; returns what ends that.
 * @param {HTMLElement} place
 * @param {boolean} isOpen
 * @param {(files: File[]) => void} take
 */
function dropZone(place, isOpen, take) {
  const ending = new AbortController();
  const options = { signal: ending.signal };
  const mark = (/** @type {boolean} */ isOver) => place.classList.toggle("drop", isOver && isOpen);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  }, options);
  addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false), options);
  addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    take(filesOf(event.dataTransfer));
  }, options);
  return () => {
    mark(false);
    ending.abort();
  };
}
