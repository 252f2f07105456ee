/**
 * A grid of tiles of which only the visible ones exist: it scrolls through any number of images.
 *
 * To assistive technology it is a list box: the box has the focus, and names the current tile as its
 * active descendant. Browsers limit the height of an element, so above `MAX_HEIGHT` a scrolled pixel
 * stands for more than one pixel of the grid.
 */

import { h, icon } from "./dom.js";
import { t } from "./i18n.js";
import { jpegUrl, nameOf } from "./views.js";

/** @typedef {import("./views.js").Image} Image */

const GAP = 14;
/** Height of the line below a thumbnail, as in layout.css. */
const CAPTION = 32;
/** Below the limit of Firefox, 17.8 million pixels; Chromium has 33.5 million. */
const MAX_HEIGHT = 15_000_000;
const OVERSCAN_ROWS = 2;

export class Grid {
  /**
   * @param {object} source
   * @param {(index: number) => Image | undefined} source.at
   * @param {(first: number, last: number) => void} source.ensure
   * @param {(contSign: string) => boolean} source.isSelected
   * @param {(index: number, event: MouseEvent | KeyboardEvent, kind: "open" | "toggle" | "extend") => void} source.act
   */
  constructor(source) {
    this.source = source;
    this.count = 0;
    this.current = 0;
    /** Those of the present width, in pixels; 0 before the first layout. */
    this.columns = 0;
    this.side = 0;
    this.rowHeight = 0;
    this.height = 0;
    /** @type {Map<number, HTMLElement>} */
    this.tiles = new Map();
    this.space = h("div", { class: "grid-space", role: "presentation" });
    this.element = h("div", {
      class: "grid", tabindex: 0, role: "listbox", "aria-multiselectable": "true", "aria-label": t("images"),
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.onKey(event),
      onclick: (/** @type {MouseEvent} */ event) => this.onClick(event),
      onscroll: () => this.schedule(),
    }, this.space);
    this.resizing = new ResizeObserver(() => this.layout());
    this.resizing.observe(this.element);
    this.frame = 0;
  }

  close() {
    this.resizing.disconnect();
    cancelAnimationFrame(this.frame);
  }

  /** @param {number} count */
  setCount(count) {
    if (count === this.count) return;
    this.count = count;
    this.current = Math.max(0, Math.min(this.current, count - 1));
    this.layout();
  }

  /** Draws all visible tiles anew, after a change of their data or of the selection. */
  refresh() {
    for (const [index, tile] of this.tiles) this.draw(tile, index);
    this.schedule();
  }

  layout() {
    const width = this.element.clientWidth - 2 * GAP;
    if (width <= 0) return;
    const least = width < 500 ? 104 : 168;
    const [oldColumns, oldHeight] = [this.columns, this.rowHeight];
    const top = this.top();
    this.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    this.side = Math.floor((width - GAP * (this.columns - 1)) / this.columns);
    this.rowHeight = this.side + CAPTION + GAP;
    this.height = Math.ceil(this.count / this.columns) * this.rowHeight + GAP;
    this.space.style.height = `${Math.min(this.height, MAX_HEIGHT)}px`;
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    // The same images stay in view when the width changes.
    if (oldColumns && oldHeight && oldColumns !== this.columns) {
      this.scrollToTop((Math.floor(top / oldHeight) * oldColumns / this.columns) * this.rowHeight);
    }
    this.render();
  }

  /** Pixels of the grid above the visible part. */
  top() {
    const range = Math.min(this.height, MAX_HEIGHT) - this.element.clientHeight;
    const full = this.height - this.element.clientHeight;
    return range > 0 ? (this.element.scrollTop * full) / range : 0;
  }

  /** @param {number} top */
  scrollToTop(top) {
    const range = Math.min(this.height, MAX_HEIGHT) - this.element.clientHeight;
    const full = this.height - this.element.clientHeight;
    this.element.scrollTop = full > 0 ? (top * range) / full : 0;
  }

  schedule() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.render());
  }

  render() {
    if (!this.columns) return;
    const top = this.top();
    const firstRow = Math.max(0, Math.floor(top / this.rowHeight) - OVERSCAN_ROWS);
    const lastRow = Math.floor((top + this.element.clientHeight) / this.rowHeight) + OVERSCAN_ROWS;
    const first = firstRow * this.columns;
    const last = Math.min(this.count, (lastRow + 1) * this.columns) - 1;
    for (const [index, tile] of this.tiles) {
      if (index < first || index > last) {
        tile.remove();
        this.tiles.delete(index);
      }
    }
    const shift = this.element.scrollTop - top;
    for (let index = first; index <= last; index += 1) {
      const tile = this.tiles.get(index) ?? this.makeTile(index);
      const x = GAP + (index % this.columns) * (this.side + GAP);
      const y = GAP + Math.floor(index / this.columns) * this.rowHeight + shift;
      tile.style.transform = `translate(${x}px, ${y}px)`;
    }
    this.mark();
    if (last >= first) this.source.ensure(first, last);
  }

  /** @param {number} index */
  makeTile(index) {
    const tile = h("div", { class: "tile", role: "option", id: `tile-${index}`, data: { index: String(index) } });
    tile.style.width = `${this.side}px`;
    tile.style.height = `${this.side + CAPTION}px`;
    this.draw(tile, index);
    this.tiles.set(index, tile);
    this.space.append(tile);
    return tile;
  }

  /**
   * @param {HTMLElement} tile
   * @param {number} index
   */
  draw(tile, index) {
    const image = this.source.at(index);
    const isSelected = image !== undefined && this.source.isSelected(image.contSign);
    tile.setAttribute("aria-selected", String(isSelected));
    tile.setAttribute("aria-posinset", String(index + 1));
    tile.setAttribute("aria-setsize", String(this.count));
    // Once it has a content, that is its name.
    if (image) tile.removeAttribute("aria-label");
    else tile.setAttribute("aria-label", t("loading"));
    tile.classList.toggle("loading", !image);
    const content = image ? JSON.stringify([image.contSign, image.brief, image.tags]) : "";
    if (tile.dataset.content === content) return;
    tile.dataset.content = content;
    tile.replaceChildren(
      h("div", { class: "thumb" }, image && h("img", { src: jpegUrl(image.thumbnailJpeg), alt: "", decoding: "async", draggable: "false" }), h("span", { class: "mark" }, icon("check"))),
      h("div", { class: "caption" },
        h("span", { class: "name", dir: "auto" }, image ? nameOf(image) : ""), " ",
        h("span", { class: "muted" }, image?.tags?.map((tag) => `#${tag}`).join(" ") ?? "")));
  }

  /** Shows which tile the keyboard is at. */
  mark() {
    this.element.querySelector(".current")?.classList.remove("current");
    const tile = this.tiles.get(this.current);
    tile?.classList.add("current");
    if (tile) this.element.setAttribute("aria-activedescendant", tile.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** @param {number} index */
  moveTo(index) {
    this.current = Math.max(0, Math.min(index, this.count - 1));
    const top = GAP + Math.floor(this.current / this.columns) * this.rowHeight;
    const visible = this.top();
    if (top - GAP < visible) this.scrollToTop(top - GAP);
    else if (top + this.rowHeight > visible + this.element.clientHeight) this.scrollToTop(top + this.rowHeight - this.element.clientHeight);
    this.render();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const page = Math.max(1, Math.floor(this.element.clientHeight / this.rowHeight)) * this.columns;
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -this.columns, ArrowDown: this.columns, PageUp: -page, PageDown: page, Home: -this.count, End: this.count };
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key in steps) {
      const before = this.current;
      this.moveTo(this.current + steps[event.key]);
      if (event.shiftKey && before !== this.current) this.source.act(this.current, event, "extend");
    } else if (event.key === " ") this.source.act(this.current, event, event.shiftKey ? "extend" : "toggle");
    else if (event.key === "Enter") this.source.act(this.current, event, "open");
    else return;
    event.preventDefault();
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const target = /** @type {Element} */ (event.target);
    const tile = /** @type {HTMLElement | null} */ (target.closest(".tile"));
    if (!tile) return;
    this.current = Number(tile.dataset.index);
    const toggles = event.ctrlKey || event.metaKey || target.closest(".mark") !== null;
    this.source.act(this.current, event, event.shiftKey ? "extend" : toggles ? "toggle" : "open");
    this.mark();
  }
}
