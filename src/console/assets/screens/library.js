/** The library: its images in a grid, filters, changes of many images, and a place to drop new ones. */

import { call } from "../api.js";
import { runAll } from "../bulk.js";
import { ask, confirm, explain, showError, toast } from "../dialogs.js";
import { fill, h, icon } from "../dom.js";
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

/**
 * What a user left the screen with, to come back to.
 * @type {{library: string, text: string, tags: number[], or: boolean, top: number} | undefined}
 */
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
  const view = last?.library === library ? last : { library, text: "", tags: [], or: false, top: 0 };
  last = view;
  /** @type {Map<string, {contSign: string, brief?: string, tags?: number[]}>} */
  const selected = new Map();
  let anchor = 0;
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
  fill(body, filters, note, h("div", { class: "grid-place" }, grid.element));
  grid.element.addEventListener("scroll", () => (view.top = grid.top()));

  function filter() {
    return { tags: view.tags, tagLogic: view.or ? "TAG_LOGIC_OR" : "TAG_LOGIC_AND", briefContains: view.text };
  }

  function reload() {
    listing?.close();
    const isFirst = listing === undefined;
    listing = new Listing(library, filter(), update, (error) => showError(grid.element.parentElement ?? body, error, () => go("")));
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
    anchor = index;
    if (!selected.delete(image.contSign)) selected.set(image.contSign, image);
    changed();
  }

  async function extend(/** @type {number} */ index) {
    const [from, to] = [Math.min(anchor, index), Math.max(anchor, index)];
    if (to - from >= MAX_SELECTED) return toast(t("too_many_selected", { n: MAX_SELECTED }), "error");
    try {
      const images = listing ? await range(from, to) : [];
      selected.clear();
      for (const image of images) selected.set(image.contSign, image);
      changed();
    } catch (error) {
      toast(explain(error), "error");
    }
  }

  /** Those at hand, or else from the gateway. */
  async function range(/** @type {number} */ from, /** @type {number} */ to) {
    const near = Array.from({ length: to - from + 1 }, (_, i) => listing?.at(from + i));
    return near.every(Boolean) ? /** @type {import("../views.js").Image[]} */ (near) : /** @type {Listing} */ (listing).range(from, to);
  }

  function selectAll() {
    anchor = 0;
    if (listing && listing.count > 0) extend(Math.min(listing.count, MAX_SELECTED) - 1);
  }

  function clear() {
    selected.clear();
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
    const run = async (/** @type {{contSign: string}} */ image) => void (await call("UpdateImage", { library, ...change(image) }));
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
    const batches = [];
    const size = images.length > DELETE_BATCH ? DELETE_BATCH : Math.max(1, Math.ceil(images.length / 4));
    for (let i = 0; i < images.length; i += size) batches.push(images.slice(i, i + size));
    let deleted = 0;
    await runAll({
      title: t("deleting"),
      items: batches,
      name: (batch) => batch.length === 1 ? nameOf(batch[0]) : t("batch_of", { n: batch.length, name: nameOf(batch[0]) }),
      async run(batch) {
        const response = await call("DeleteImages", { library, contSigns: { values: batch.map((image) => image.contSign) } });
        const failed = (response.results ?? []).filter((/** @type {any} */ result) => result.status?.code);
        deleted += batch.length - failed.length;
        if (failed.length > 0) return `${t("bulk_failed", { n: failed.length })} ${failed[0].status.message}`;
      },
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
    const done = await runAll({ title: t("adding"), items: files, name: (file) => file.name, run: (file) => addOne(file, brief || file.name, tags) });
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
    type: "search", value: view.text, placeholder: t("filter_brief"), "aria-label": t("filter_brief"), maxlength: 200,
    oninput() {
      clearTimeout(typing);
      typing = window.setTimeout(() => {
        view.text = text.value.trim();
        view.top = 0;
        grid.scrollToTop(0);
        reload();
      }, 250);
    },
  });

  async function showFilters() {
    const response = await call("ListTags", { library }).catch(() => ({}));
    const counts = /** @type {{tag: number, imageCount: string}[]} */ (response.tags ?? []);
    counts.sort((a, b) => Number(b.imageCount) - Number(a.imageCount) || a.tag - b.tag);
    const shown = counts.filter(({ tag }, index) => index < SHOWN_TAGS || view.tags.includes(tag));
    const toggle = (/** @type {number} */ tag) => {
      const without = view.tags.filter((one) => one !== tag);
      // The API filters by two tags: a third replaces the older one.
      view.tags = without.length < view.tags.length ? without : [...without, tag].slice(-2);
      view.top = 0;
      grid.scrollToTop(0);
      draw();
      reload();
    };
    const draw = () => fill(filters, text,
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
          reload();
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
  fill(filters, text);
  showFilters();
  showSize();
  reload();
  return () => {
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
