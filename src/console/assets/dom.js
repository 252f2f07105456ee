/**
 * Makes elements. The only module that creates nodes from descriptions: text becomes text nodes,
 * always, so that no brief and no error message can become markup.
 */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "polygon", "polyline", "path", "circle", "line", "rect", "g"]);

/** @typedef {Node | string | number | null | undefined | false | any[]} Child  an array has children of its own */

/**
 * Makes an element: `h("button", { class: "primary", onclick: save }, "Save")`. Properties that
 * begin with `on` are listeners; `data`, `style` and `aria` are objects; `true` is an attribute
 * without a value, and `false`, `null` and `undefined` are none.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...Child} children
 * @returns {any}
 */
export function h(tag, properties = {}, ...children) {
  const element = SVG_TAGS.has(tag) ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (name === "aria") for (const [key, one] of Object.entries(value)) element.setAttribute(`aria-${key}`, String(one));
    else if (name === "value" || name === "checked" || name === "srcObject") /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  append(element, children);
  return element;
}

/**
 * @param {Element} parent
 * @param {Child[]} children
 */
function append(parent, children) {
  for (const child of children) {
    if (Array.isArray(child)) append(parent, child);
    else if (child !== null && child !== undefined && child !== false) parent.append(/** @type {any} */ (child));
  }
}

/**
 * Replaces the children of an element.
 * @param {Element} parent
 * @param {...Child} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
}

const FOCUSABLE = "button, a[href], input, select, textarea, [tabindex]";

/**
 * Replaces the children of an element by newer ones of the same kind: the focus stays where it is.
 * @param {Element} parent
 * @param {...Child} children
 */
export function refill(parent, ...children) {
  const focusable = () => /** @type {HTMLElement[]} */ ([...parent.querySelectorAll(FOCUSABLE)]);
  const at = focusable().indexOf(/** @type {HTMLElement} */ (document.activeElement));
  fill(parent, ...children);
  if (at >= 0) focusable()[at]?.focus({ preventScroll: true });
}

/** Paths of the icons, on a grid of 24, drawn with lines of 1.75. */
const ICONS = {
  add: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM20 20l-4-4",
  grid: "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM13 13h7v7h-7z",
  copies: "M8 8h12v12H8zM16 8V4H4v12h4",
  state: "M3 12h4l3-8 4 16 3-8h4",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Z",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5 10 17l9-10",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  tag: "M4 4h8l8 8-8 8-8-8zM8.5 8.5h.01",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  compare: "M12 3v18M4 6h5v12H4zM15 6h5v12h-5z",
  back: "M15 5l-7 7 7 7",
  forward: "M9 5l7 7-7 7",
  help: "M9 9a3 3 0 1 1 4 2.8c-.7.3-1 .8-1 1.7M12 17h.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  out: "M14 4h6v16h-6M10 8l-4 4 4 4M6 12h9",
};

/**
 * Makes an icon, which says nothing to a screen reader.
 * @param {keyof typeof ICONS} name
 */
export function icon(name) {
  return h("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, h("path", { d: ICONS[name] }));
}
