/** Where two images overlap: outlines, the warp of one onto the other, and words for both. */

import { percent, t } from "./i18n.js";

/** @typedef {{x?: number, y?: number}} Point  0 is absent in JSON */
/** @typedef {{query: {corners: Point[]}, stored: {corners: Point[]}, overlap?: number}} Geometry */
/** @typedef {[number, number]} Position */

/**
 * Returns the corners of a part in units of the image, for example pixels.
 * @param {{corners: Point[]}} part
 * @param {number} width
 * @param {number} height
 * @returns {Position[]}
 */
export function corners(part, width, height) {
  return part.corners.map(({ x = 0, y = 0 }) => [x * width, y * height]);
}

/**
 * Returns the homography that maps four positions onto four others: rows of a 3 × 3 matrix whose
 * last entry is 1, or `null` if three of them are in one line.
 * @param {Position[]} from
 * @param {Position[]} to
 * @returns {number[] | null}
 */
export function homography(from, to) {
  // Two equations for each pair (Hartley and Zisserman, Multiple View Geometry, section 4.1).
  const rows = from.flatMap(([x, y], i) => {
    const [u, v] = to[i];
    return [[x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]];
  });
  for (let column = 0; column < 8; column += 1) {
    let pivot = column;
    for (let row = column; row < 8; row += 1) {
      if (Math.abs(rows[row][column]) > Math.abs(rows[pivot][column])) pivot = row;
    }
    if (Math.abs(rows[pivot][column]) < 1e-12) return null;
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (let row = 0; row < 8; row += 1) {
      if (row === column) continue;
      const factor = rows[row][column] / rows[column][column];
      for (let k = column; k < 9; k += 1) rows[row][k] -= factor * rows[column][k];
    }
  }
  return [...rows.map((row, i) => row[8] / row[i]), 1];
}

/**
 * Writes a homography as the transformation of CSS that does the same.
 * @param {number[]} h
 */
export function matrix3d(h) {
  const [a, b, c, d, e, f, g, i, j] = h;
  return `matrix3d(${[a, d, 0, g, b, e, 0, i, 0, 0, 1, 0, c, f, 0, j].join(",")})`;
}

/** Returns the area of a polygon; negative if its corners go the other way round. @param {Position[]} polygon */
export function signedArea(polygon) {
  return polygon.reduce((sum, [x, y], i) => {
    const [u, v] = polygon[(i + 1) % polygon.length];
    return sum + x * v - u * y;
  }, 0) / 2;
}

/**
 * Says in words how the query shows the stored image.
 * @param {Geometry} geometry
 * @param {[number, number] | undefined} query width and height; without them neither angle nor scale is known
 * @param {[number, number]} stored width and height
 * @returns {string[]}
 */
export function words(geometry, query, stored) {
  const from = corners(geometry.stored, ...stored);
  const to = corners(geometry.query, ...(query ?? [1, 1]));
  const isMirrored = signedArea(from) * signedArea(to) < 0;
  const said = [];
  if (isMirrored) said.push(t("mirrored"));
  const angle = query ? turn(from, to, isMirrored) : 0;
  if (Math.abs(angle) >= 2) said.push(t(angle > 0 ? "turned_right" : "turned_left", { angle: Math.abs(angle) }));
  const scale = query ? Math.sqrt(Math.abs(signedArea(to) / signedArea(from))) : 1;
  if (scale < 0.95 || scale > 1.05) said.push(t(scale < 1 ? "smaller" : "larger", { scale: percent(scale) }));
  said.push(t("shows", { share: percent(geometry.overlap ?? 0) }));
  return said;
}

/**
 * Returns the angle in degrees, clockwise, by which the query is turned against the stored image:
 * the mean of its four sides.
 * @param {Position[]} from
 * @param {Position[]} to
 * @param {boolean} isMirrored
 */
function turn(from, to, isMirrored) {
  let [sin, cos] = [0, 0];
  for (let i = 0; i < 4; i += 1) {
    const [[ax, ay], [bx, by]] = [from[i], from[(i + 1) % 4]];
    const [[cx, cy], [dx, dy]] = [to[i], to[(i + 1) % 4]];
    const before = Math.atan2(by - ay, isMirrored ? ax - bx : bx - ax);
    const angle = Math.atan2(dy - cy, dx - cx) - before;
    sin += Math.sin(angle);
    cos += Math.cos(angle);
  }
  return Math.round((Math.atan2(sin, cos) * 180) / Math.PI);
}
