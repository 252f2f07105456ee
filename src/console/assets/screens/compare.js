/**
 * Two images on each other: the query is warped onto the stored image by the geometry of the match.
 *
 * The browser does the warp: the query is an element with the size of its image, and a `matrix3d`
 * takes its matching part to that of the stored image.
 */

import { call } from "../api.js";
import { showError } from "../dialogs.js";
import { fill, h, icon, refill } from "../dom.js";
import { percent, t } from "../i18n.js";
import { setScreenKeys } from "../keys.js";
import { corners, homography, matrix3d, words } from "../geometry.js";
import { empty, framed, nameOf, previewUrl, scoreBar } from "../views.js";
import { lastSearch, sourceOf } from "./search.js";

/** Time between two images of the blinking view: slower than three flashes a second (WCAG 2.3.1). */
const BLINK_MS = 700;
const MODES = /** @type {const} */ (["side", "overlay", "blink", "difference"]);

/**
 * @param {HTMLElement} place
 * @param {{library: string, query: URLSearchParams}} context
 */
export function show(place, { library, query: address }) {
  const leaving = new AbortController();
  let blinking = 0;
  /** @type {(typeof MODES)[number]} */
  let mode = "overlay";
  let opacity = 60;
  const stage = h("div", { class: "stage" });
  setScreenKeys([]);
  load();
  return () => {
    leaving.abort();
    clearInterval(blinking);
  };

  async function load() {
    fill(place, h("p", { class: "muted", role: "status" }, t("comparing")));
    const storedSign = address.get("stored") ?? "";
    const querySign = address.get("query");
    const query = querySign ? { library, contSign: querySign } : lastSearch(library)?.query;
    if (!query || !storedSign) return fill(place, empty(t("nothing_to_compare"), t("nothing_to_compare_hint")));
    try {
      const first = await sourceOf(query);
      const [comparison, stored, queried] = await Promise.all([
        call("CompareImages", { library, first, second: { contSign: storedSign } }, leaving.signal),
        call("GetImage", { library, contSign: storedSign, preview: true }, leaving.signal),
        query.contSign ? call("GetImage", { library, contSign: query.contSign, preview: true }, leaving.signal) : undefined,
      ]);
      const src = queried ? previewUrl(queried.image) : query.picked?.url;
      const size = await sizeOf(src, queried?.image);
      if (leaving.signal.aborted) return;
      draw(comparison, { src: previewUrl(stored.image), image: stored.image }, { src, size, name: queried ? nameOf(queried.image) : query.picked?.name ?? query.url ?? "" });
    } catch (error) {
      if (!leaving.signal.aborted) showError(place, error, load);
    }
  }

  /** @param {any} comparison @param {{src?: string, image: import("../views.js").Image}} stored @param {{src?: string, size?: [number, number], name: string}} query */
  function draw(comparison, stored, query) {
    const { width = 1, height = 1 } = stored.image;
    const { geometry } = comparison;
    const said = geometry ? words(geometry, query.size, [width, height]) : [];
    const warp = geometry && query.src && query.size ? homography(corners(geometry.query, ...query.size), corners(geometry.stored, width, height)) : null;
    const buttons = h("div", { class: "chips", role: "group", "aria-label": t("view") });
    const slider = h("label", { class: "inline" }, h("span", {}, t("opacity")), h("input", {
      type: "range", min: 0, max: 100, value: opacity,
      oninput(/** @type {any} */ event) {
        opacity = Number(event.target.value);
        layer()?.style.setProperty("opacity", String(opacity / 100));
      },
    }));
    const layer = () => /** @type {HTMLElement | null} */ (stage.querySelector(".warped"));
    const choose = (/** @type {(typeof MODES)[number]} */ one) => {
      mode = one;
      refill(buttons, MODES.map((name) => h("button", { type: "button", class: "chip", "aria-pressed": String(name === mode), disabled: name !== "side" && !warp, onclick: () => choose(name) }, t(`view_${name}`))));
      slider.hidden = mode !== "overlay";
      drawStage();
    };
    const drawStage = () => {
      clearInterval(blinking);
      stage.className = `stage ${mode}`;
      if (mode === "side") {
        return fill(stage,
          h("figure", {}, framed({ src: query.src, alt: t("query"), width: query.size?.[0], height: query.size?.[1], outline: geometry?.query }), h("figcaption", { dir: "auto" }, query.name)),
          h("figure", {}, framed({ src: stored.src, alt: t("stored"), width, height, outline: geometry?.stored }), h("figcaption", { dir: "auto" }, nameOf(stored.image))));
      }
      const image = h("img", { class: "warped", src: query.src, alt: t("query") });
      const [queryWidth, queryHeight] = query.size ?? [0, 0];
      image.style.width = `${queryWidth}px`;
      image.style.height = `${queryHeight}px`;
      const box = framed({ src: stored.src, alt: t("stored"), width, height });
      box.append(image);
      fill(stage, h("figure", {}, box, h("figcaption", { dir: "auto" }, nameOf(stored.image))));
      const fit = () => {
        const scale = box.clientWidth / width;
        if (warp && scale > 0) image.style.transform = `scale(${scale}) ${matrix3d(warp)}`;
      };
      new ResizeObserver(fit).observe(box);
      fit();
      if (mode === "overlay") image.style.opacity = String(opacity / 100);
      if (mode === "blink") blinking = window.setInterval(() => image.classList.toggle("hidden"), BLINK_MS);
    };
    const facts = [
      comparison.agreement !== undefined && t("agreement_is", { share: percent(comparison.agreement) }),
      comparison.hashDistance !== undefined && t("hash_distance", { n: comparison.hashDistance }),
    ].filter(Boolean);
    fill(place,
      h("div", { class: "heading" },
        h("button", { type: "button", class: "plain", onclick: () => history.back() }, icon("back"), t("back")),
        h("h1", { tabindex: -1 }, t("compare"))),
      h("div", { class: "compare-body" },
        h("div", { class: "verdict" }, scoreBar(comparison.score ?? 0),
          h("p", { class: "words" }, (comparison.score ?? 0) > 0 ? said.join(" · ") || t("same_as_whole") : t("not_same")),
          facts.length > 0 && h("p", { class: "muted" }, facts.join(" · "))),
        h("div", { class: "filters" }, buttons, slider),
        !warp && h("p", { class: "muted" }, t(geometry ? "query_not_shown" : "no_geometry")),
        stage));
    choose(warp ? mode : "side");
    setScreenKeys([
      ...(warp ? MODES : []).map((name) => ({ key: name[0], label: `view_${name}`, run: () => choose(name) })),
      { key: "Escape", label: "key_back", run: () => history.back() },
    ]);
  }
}

/**
 * Returns width and height of the query: those of its file, or of the stored image; `undefined` where
 * the browser cannot show it.
 * @param {string | undefined} src
 * @param {import("../views.js").Image | undefined} image
 * @returns {Promise<[number, number] | undefined>}
 */
async function sizeOf(src, image) {
  if (image?.width && image.height) return [image.width, image.height];
  if (!src) return undefined;
  const loaded = h("img", { src });
  await loaded.decode().catch(() => {});
  return loaded.naturalWidth > 0 ? [loaded.naturalWidth, loaded.naturalHeight] : undefined;
}
