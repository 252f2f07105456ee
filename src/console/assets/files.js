/** Files of images: what they are, and how they fit into the limits of a library. */

import { bytes as writeBytes, t } from "./i18n.js";

/**
 * An image that is searched with or added.
 * @typedef {object} Picked
 * @property {Blob} blob what is sent
 * @property {string} name of the file
 * @property {string} url of the blob, for the page; see `release`
 * @property {string} [note] what was changed so that it fits
 */

/** Quality of a JPEG that replaces a file that does not fit, of 1. */
const QUALITY = 0.9;
/** Begins of the files that some library accepts. */
const BEGINS = [
  [0xff, 0xd8, 0xff],
  [0x89, 0x50, 0x4e, 0x47],
  [0x42, 0x4d],
  [0x47, 0x49, 0x46, 0x38],
  [0x52, 0x49, 0x46, 0x46],
  [0x49, 0x49, 0x2a, 0x00],
  [0x4d, 0x4d, 0x00, 0x2a],
];

/**
 * Prepares a file for a library: scales it down in a canvas if it is too large, and says so.
 * @param {Blob} file
 * @param {string} name
 * @param {import("./session.js").Library | undefined} library
 * @returns {Promise<Picked>} fails with a text for people if the file is no image
 */
export async function pick(file, name, library) {
  const begin = new Uint8Array(await file.slice(0, 4).arrayBuffer());
  if (!BEGINS.some((bytes) => bytes.every((byte, index) => begin[index] === byte))) {
    throw new Error(t("not_an_image", { name, type: file.type || "?" }));
  }
  const maxBytes = Number(library?.maxImageBytes ?? 3 << 20);
  const maxSide = library?.maxSide ?? 4096;
  const bitmap = await createImageBitmap(file).catch(() => null);
  try {
    const isTooLong = bitmap !== null && Math.max(bitmap.width, bitmap.height) > maxSide;
    if (file.size <= maxBytes && !isTooLong) return picked(file, name);
    if (!bitmap) throw new Error(t("too_large", { name, size: writeBytes(file.size), max: writeBytes(maxBytes) }));
    let side = Math.min(maxSide, Math.max(bitmap.width, bitmap.height));
    for (;;) {
      const scaled = await drawn(bitmap, side);
      if (scaled.size <= maxBytes) {
        const note = t("scaled_down", { name, size: writeBytes(file.size), now: writeBytes(scaled.size), side });
        return picked(scaled, name, note);
      }
      side = Math.floor(side * 0.7);
    }
  } finally {
    bitmap?.close();
  }
}

/**
 * @param {Blob} blob
 * @param {string} name
 * @param {string} [note]
 * @returns {Picked}
 */
function picked(blob, name, note) {
  return { blob, name, url: URL.createObjectURL(blob), note };
}

/**
 * @param {ImageBitmap} bitmap
 * @param {number} side length of the longer side
 */
async function drawn(bitmap, side) {
  const scale = side / Math.max(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.imageSmoothingQuality = "high";
  // Transparent images are compared on white.
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: QUALITY });
}

/**
 * Returns the content of a blob as base64, as JSON carries bytes.
 * @param {Blob} blob
 * @returns {Promise<string>}
 */
export function base64(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(/** @type {string} */ (reader.result).split(",")[1] ?? "");
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/**
 * Frees the memory of an image that no part of the page shows any more.
 * @param {Picked | undefined} image
 */
export function release(image) {
  if (image) URL.revokeObjectURL(image.url);
}

/**
 * Returns the files of a drop or of the clipboard.
 * @param {DataTransfer | null} transfer
 * @returns {File[]}
 */
export function filesOf(transfer) {
  return transfer ? [...transfer.files] : [];
}
