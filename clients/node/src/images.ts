// The image of a request: bytes, a file, a URL, or a stored image.

import { readFile } from "node:fs/promises";

import { SamegateError } from "./errors";

/** What can be added: bytes of an image file, a file, or a URL that the gateway fetches. */
export type NewImage = Uint8Array | { path: string | URL } | { url: string | URL };

/** What searches accept: also a stored image, by its sign. */
export type Image = NewImage | { contSign: string };

/** The field of a request that names the image, as the messages have it. */
export type NewSource = { case: "content"; value: Uint8Array } | { case: "url"; value: string };
export type Source = NewSource | { case: "contSign"; value: string };

/**
 * Returns the field of a request that names the image; reads a file.
 *
 * @throws SamegateError with the reason `FILE_UNREADABLE`; TypeError for what is no image.
 */
export function source(image: NewImage): Promise<NewSource>;
export function source(image: Image): Promise<Source>;
export async function source(image: Image): Promise<Source> {
  if (image instanceof Uint8Array) return { case: "content", value: image };
  if (typeof image === "object" && image !== null) {
    if ("url" in image) return { case: "url", value: String(image.url) };
    if ("contSign" in image) return { case: "contSign", value: image.contSign };
    if ("path" in image) return { case: "content", value: await read(image.path) };
  }
  throw new TypeError("an image is bytes, { path }, { url } or { contSign }");
}

async function read(path: string | URL): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    // Others are about the argument. In Jest's realm those of the file system are no instance of Error.
    if (!isOfSystem(error)) throw error;
    const [reason] = error.message.split(",");
    throw new SamegateError(undefined, `cannot read \`${path}\`: ${reason}`, {
      reason: "FILE_UNREADABLE",
      cause: error,
    });
  }
}

function isOfSystem(error: unknown): error is NodeJS.ErrnoException {
  return typeof error === "object" && error !== null && "syscall" in error && "message" in error;
}
