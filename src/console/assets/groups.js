/**
 * Groups of same images as they arrive, and what is kept of each.
 *
 * Two images of a group need not be the same: a collage connects its parts. So an image is marked to
 * be deleted only if it is a whole copy of one that is kept, as `samegate dedupe` does: a crop is not
 * deleted for its original, nor a photo for its collage.
 */

import { corners, signedArea } from "./geometry.js";

/** @typedef {import("./views.js").Image} Image */
/**
 * @typedef {object} Group
 * @property {Map<string, Image>} images
 * @property {Map<string, number>} scores best score of the pairs of each image
 * @property {Map<string, Set<string>>} copies whole copies of each image
 * @property {Map<string, boolean>} marks what a user who changed something saw: whether an image is kept
 * @property {Set<string>} kept signs
 * @property {"open" | "accepted" | "different"} verdict
 */

/** The share of an image that its copy shows at least: a border may be cut off or added. */
const MIN_SHARE = 0.9;

export class Groups {
  constructor() {
    /** @type {Group[]} in the order of their arrival */
    this.list = [];
    /** @type {Map<string, Group>} */
    this.groupOf = new Map();
  }

  /**
   * Adds a group that arrived; groups that share an image are one. A decision holds until an image
   * joins its group; what a user marked holds in any case.
   * @param {{images?: Image[], pairs?: {a: string, b: string, score?: number, geometry?: any}[]}} arrived
   * @returns {{group: Group, absorbed: Group[]}} `absorbed`: those that are a part of it now
   */
  add({ images = [], pairs = [] }) {
    /** @type {Set<Group>} */
    const shared = new Set();
    for (const { contSign } of images) {
      const known = this.groupOf.get(contSign);
      if (known) shared.add(known);
    }
    const [group = this.begin(), ...absorbed] = shared;
    const before = group.images.size;
    for (const other of absorbed) absorb(group, other);
    if (absorbed.length > 0) this.list = this.list.filter((one) => !absorbed.includes(one));
    for (const image of images) group.images.set(image.contSign, image);
    for (const pair of pairs) relate(group, pair);
    for (const sign of group.images.keys()) this.groupOf.set(sign, group);
    if (group.images.size > before) [group.kept, group.verdict] = [choice(group), "open"];
    return { group, absorbed };
  }

  begin() {
    /** @type {Group} */
    const group = { images: new Map(), scores: new Map(), copies: new Map(), marks: new Map(), kept: new Set(), verdict: "open" };
    this.list.push(group);
    return group;
  }

  /**
   * Forgets an image that is not in the library any more. Without one that was to be kept, what is
   * kept must be decided anew.
   * @param {string} sign
   */
  forget(sign) {
    const group = this.groupOf.get(sign);
    if (!group) return;
    group.images.delete(sign);
    group.marks.delete(sign);
    this.groupOf.delete(sign);
    if (!group.kept.has(sign)) return;
    group.marks.clear();
    [group.kept, group.verdict] = [choice(group), "open"];
  }

  /** Removes the groups of which nothing is left to decide. */
  settle() {
    const isSettled = (/** @type {Group} */ group) => group.images.size < 2 || (group.verdict === "accepted" && doomed(group).length === 0);
    for (const group of this.list.filter(isSettled)) {
      for (const sign of group.images.keys()) this.groupOf.delete(sign);
    }
    this.list = this.list.filter((group) => !isSettled(group));
  }

  accepted() {
    return this.list.filter((group) => group.verdict === "accepted");
  }
}

/**
 * Changes what is kept of a group, as its user wishes.
 * @param {Group} group
 * @param {string} sign
 */
export function toggle(group, sign) {
  const isKept = !group.kept.delete(sign);
  if (isKept) group.kept.add(sign);
  // Whoever changes one has seen the others too.
  for (const one of group.images.keys()) group.marks.set(one, group.kept.has(one));
  if (group.verdict === "different") group.verdict = "open";
}

/**
 * Returns the images of a group that are to be deleted.
 * @param {Group} group
 */
export function doomed(group) {
  return [...group.images.values()].filter((image) => !group.kept.has(image.contSign));
}

/**
 * Returns the kept image for which another one is deleted: its copy, or where a user decided, any.
 * @param {Group} group
 * @param {string} sign
 */
export function keptFor(group, sign) {
  const copy = [...(group.copies.get(sign) ?? [])].find((one) => group.kept.has(one));
  const [any] = group.kept;
  return group.images.get(copy ?? any ?? "");
}

/**
 * @param {Group} group
 * @param {Group} other
 */
function absorb(group, other) {
  for (const [sign, image] of other.images) group.images.set(sign, image);
  for (const [sign, score] of other.scores) group.scores.set(sign, score);
  for (const [sign, copies] of other.copies) group.copies.set(sign, copies);
  for (const [sign, mark] of other.marks) group.marks.set(sign, mark);
}

/**
 * @param {Group} group
 * @param {{a: string, b: string, score?: number, geometry?: any}} pair
 */
function relate(group, { a, b, score = 0, geometry }) {
  for (const [sign, other] of [[a, b], [b, a]]) {
    group.scores.set(sign, Math.max(score, group.scores.get(sign) ?? 0));
    if (!areCopies(geometry)) continue;
    const copies = group.copies.get(sign) ?? new Set();
    group.copies.set(sign, copies.add(other));
  }
}

/**
 * Returns whether each image of a pair shows the other one as a whole.
 * @param {import("./geometry.js").Geometry | undefined} geometry none: they are the same as a whole
 */
function areCopies(geometry) {
  if (!geometry) return true;
  const shown = geometry.query ? Math.abs(signedArea(corners(geometry.query, 1, 1))) : 0;
  return shown >= MIN_SHARE && (geometry.overlap ?? 0) >= MIN_SHARE;
}

/**
 * Returns the signs to keep: those that a user marked, and each image that is no copy of a kept one.
 * @param {Group} group
 */
function choice({ images, copies, marks }) {
  const kept = new Set([...marks].filter(([, isKept]) => isKept).map(([sign]) => sign));
  for (const { contSign } of [...images.values()].sort(compare)) {
    const isCopy = [...(copies.get(contSign) ?? [])].some((other) => kept.has(other));
    if (!marks.has(contSign) && !isCopy) kept.add(contSign);
  }
  return kept;
}

/**
 * Sorts the image that is worth keeping first: the most pixels, then the largest file, then the oldest.
 * @param {Image} a
 * @param {Image} b
 */
function compare(a, b) {
  const pixels = (/** @type {Image} */ image) => (image.width ?? 0) * (image.height ?? 0);
  const size = (/** @type {Image} */ image) => Number(image.sizeBytes ?? 0);
  return pixels(b) - pixels(a) || size(b) - size(a) || Date.parse(a.addTime ?? "") - Date.parse(b.addTime ?? "");
}
