/** One stored image: its preview, what is known of it, and what can be done with it. */

import { call } from "../api.js";
import { ask, confirm, explain, showError, toast } from "../dialogs.js";
import { fill, h, icon } from "../dom.js";
import { bytes, number, t, time } from "../i18n.js";
import { setScreenKeys } from "../keys.js";
import { session } from "../session.js";
import { briefField, forgetRecords, framed, linked, nameOf, parseTags, previewUrl, tagField, tagList } from "../views.js";

/**
 * @param {HTMLElement} place
 * @param {{library: string, argument: string, go: (path: string) => void}} context
 */
export function show(place, { library, argument: contSign, go }) {
  const canChange = !session.readOnly;
  const canSearch = session.can(library, "SEARCH_BY_SIGN");
  const leaving = new AbortController();
  /** @type {import("../views.js").Image | undefined} */
  let image;

  /** @returns {Promise<import("../views.js").Image>} */
  async function read(preview = false) {
    return (await call("GetImage", { library, contSign, preview }, leaving.signal)).image;
  }

  async function load() {
    try {
      image = await read(true);
      draw();
    } catch (error) {
      if (!leaving.signal.aborted) showError(place, error, load);
    }
  }

  function draw() {
    if (!image) return;
    const { width = 0, height = 0 } = image;
    const row = (/** @type {string} */ label, /** @type {import("../dom.js").Child} */ value) => [h("dt", {}, label), h("dd", {}, value)];
    fill(place,
      h("div", { class: "heading" },
        h("a", { class: "button plain", href: `#/${encodeURIComponent(library)}/library` }, icon("back"), t("library")),
        h("div", { class: "actions" },
          canSearch && h("button", { type: "button", class: "primary", onclick: findCopies }, icon("copies"), t("find_copies")),
          canChange && h("button", { type: "button", onclick: edit }, icon("edit"), t("edit")),
          canChange && h("button", { type: "button", class: "danger", onclick: remove }, icon("trash"), t("delete")))),
      h("div", { class: "image-body" },
        h("figure", { class: image.previewJpeg ? "" : "small" }, framed({ src: previewUrl(image), alt: nameOf(image), width, height }),
          h("figcaption", { class: "muted" }, t(image.previewJpeg ? "is_preview" : "is_thumbnail"))),
        h("div", { class: "details" },
          h("h1", { tabindex: -1, dir: "auto" }, nameOf(image)),
          briefView(image.brief ?? ""),
          h("dl", {},
            row(t("tags"), tagList(image.tags) ?? t("none")),
            row(t("sides"), t("pixels", { width: number(width), height: number(height) })),
            row(t("file_size"), bytes(Number(image.sizeBytes ?? 0))),
            row(t("added"), h("time", { datetime: image.addTime }, time(image.addTime))),
            row(t("sign"), [h("code", { class: "sign" }, image.contSign), " ", h("button", { type: "button", class: "plain small", onclick: copySign }, t("copy"))])))));
  }

  function findCopies() {
    go(`search?sign=${encodeURIComponent(contSign)}`);
  }

  async function copySign() {
    await navigator.clipboard.writeText(contSign).then(() => toast(t("copied")), (error) => toast(explain(error), "error"));
  }

  async function edit() {
    if (!image || !canChange) return;
    const before = image;
    const answer = await ask({ title: t("edit"), action: t("save"), fields: [briefField(before.brief ?? ""), tagField((before.tags ?? []).join(" "))] });
    if (!answer) return;
    const brief = String(answer.get("brief"));
    const tags = parseTags(String(answer.get("tags"))) ?? [];
    try {
      // Another tab or client may have changed it since: its change is not lost without a question.
      const now = await read();
      const isSame = (now.brief ?? "") === (before.brief ?? "") && String(now.tags ?? []) === String(before.tags ?? []);
      if (!isSame && !(await overwrite(now))) return load();
      await call("UpdateImage", { library, contSign, brief, tags: { values: tags } });
      toast(t("saved"));
    } catch (error) {
      return toast(explain(error), "error");
    }
    forgetRecords();
    load();
  }

  function overwrite(/** @type {import("../views.js").Image} */ now) {
    return confirm({
      title: t("changed_elsewhere"),
      text: [h("p", {}, t("changed_elsewhere_text")), h("blockquote", { dir: "auto" }, now.brief || t("none")), tagList(now.tags)],
      action: t("overwrite"), danger: true,
    });
  }

  async function remove() {
    if (!image || !canChange) return;
    const text = [h("p", { dir: "auto" }, h("strong", {}, nameOf(image))), h("p", {}, t("delete_warning"))];
    if (!(await confirm({ title: t("delete_images", { n: 1 }), text, action: t("delete"), danger: true }))) return;
    try {
      const response = await call("DeleteImages", { library, contSigns: { values: [contSign] } });
      const status = response.results?.[0]?.status;
      if (status?.code) throw new Error(status.message);
    } catch (error) {
      return toast(explain(error), "error");
    }
    forgetRecords();
    toast(t("deleted_images", { n: 1 }));
    go("library");
  }

  setScreenKeys([
    ...(canSearch ? [{ key: "s", label: "key_copies", run: findCopies }] : []),
    ...(canChange ? [{ key: "e", label: "key_edit", run: edit }, { key: "Delete", label: "key_delete", run: remove }] : []),
    { key: "Escape", label: "key_back", run: () => go("library") },
  ]);
  fill(place, h("p", { class: "muted", role: "status" }, t("loading")));
  load();
  return () => leaving.abort();
}

/**
 * Shows a brief as it is, and where it is JSON, in lines; one without links is in the heading already.
 * @param {string} brief
 */
function briefView(brief) {
  const plain = h("p", { class: "brief", dir: "auto" }, brief ? linked(brief) : h("span", { class: "muted" }, t("no_brief")));
  const json = parsed(brief);
  if (json === undefined) return brief && !plain.querySelector("a") ? null : plain;
  const pretty = h("pre", { class: "brief", dir: "ltr" }, JSON.stringify(json, null, 2));
  return h("div", {}, pretty, h("details", {}, h("summary", {}, t("as_stored")), plain));
}

/** @param {string} text */
function parsed(text) {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
