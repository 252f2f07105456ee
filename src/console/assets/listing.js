/**
 * The images of a library at any index, newest first, for a list that is scrolled freely.
 *
 * The API lists in pages, each with the token of the next. Pages without thumbnails are cheap, so the
 * way to a far index leads over those, 1000 images a step, and their tokens are kept. Only what is
 * looked at is read with thumbnails, and only the last of that is kept.
 */

import { call } from "./api.js";

const CHUNK = 100;
const STEP = 1000;
/** Chunks that are kept: 3000 images, about 40 MB. */
const MAX_CHUNKS = 30;

/** @typedef {import("./views.js").Image} Image */

export class Listing {
  /**
   * @param {string} library
   * @param {object} filter an ImageFilter of the API
   * @param {() => void} onChange is called after each answer
   * @param {(error: unknown) => void} onError
   */
  constructor(library, filter, onChange, onError) {
    this.library = library;
    this.filter = filter;
    this.onChange = onChange;
    this.onError = onError;
    /** Number of images; while it is unknown, of those that are known and one row more. */
    this.count = 0;
    this.isCountKnown = false;
    this.isLoaded = false;
    /** @type {string | undefined} sign of the first image */
    this.first = undefined;
    this.abort = new AbortController();
    /** @type {Map<number, string>} start index of a chunk → token of the page that begins there */
    this.tokens = new Map([[0, ""]]);
    /** @type {Map<number, Image[]>} */
    this.chunks = new Map();
    this.want = [0, 0];
    this.isRunning = false;
  }

  /** Ends all work; the listing is not used any more. */
  close() {
    this.abort.abort();
  }

  /** @param {number} index */
  at(index) {
    return this.chunks.get(Math.floor(index / CHUNK))?.[index % CHUNK];
  }

  /**
   * Says which images are visible: they are read next.
   * @param {number} first
   * @param {number} last inclusive
   */
  ensure(first, last) {
    this.want = [first, last];
    if (!this.isRunning) this.run();
  }

  async run() {
    this.isRunning = true;
    try {
      for (let chunk = this.missing(); chunk !== undefined && !this.abort.signal.aborted; chunk = this.missing()) {
        // One request, and then what is wanted may be something else.
        await this.advance(chunk);
        this.onChange();
      }
    } catch (error) {
      if (!this.abort.signal.aborted) this.onError(error);
    } finally {
      this.isRunning = false;
    }
  }

  /** Returns the first wanted chunk that has not been read. */
  missing() {
    const [first, last] = this.want.map((index) => Math.floor(index / CHUNK));
    for (let chunk = first; chunk <= last; chunk += 1) {
      const isBeyond = this.isLoaded && chunk * CHUNK >= this.count;
      if (!this.chunks.has(chunk) && !isBeyond) return chunk;
    }
    return undefined;
  }

  /** @param {number} chunk */
  async advance(chunk) {
    const start = chunk * CHUNK;
    if (this.tokens.has(start)) return this.readChunk(chunk);
    const nearest = Math.max(...[...this.tokens.keys()].filter((index) => index < start));
    await this.walk(nearest, Math.min(STEP, start - nearest));
  }

  /**
   * @param {number} from
   * @param {number} images
   */
  async walk(from, images) {
    let index = from;
    let token = this.tokens.get(from) ?? "";
    while (index < from + images) {
      const page = await this.page(token, from + images - index, false);
      index += page.images.length;
      token = page.nextPageToken;
      if (!token) return this.end(index);
    }
    this.tokens.set(index, token);
  }

  /** @param {number} chunk */
  async readChunk(chunk) {
    const start = chunk * CHUNK;
    /** @type {Image[]} */
    const images = [];
    let token = this.tokens.get(start) ?? "";
    do {
      const page = await this.page(token, CHUNK - images.length, true);
      images.push(...page.images);
      token = page.nextPageToken;
      if (page.total !== undefined) [this.count, this.isCountKnown] = [Number(page.total), true];
    } while (token && images.length < CHUNK);
    this.chunks.set(chunk, images);
    if (chunk === 0) this.first ??= images[0]?.contSign;
    this.isLoaded = true;
    if (this.chunks.size > MAX_CHUNKS) this.chunks.delete(this.farthest(chunk));
    if (!token) return this.end(start + images.length);
    this.tokens.set(start + CHUNK, token);
    if (!this.isCountKnown) this.count = Math.max(this.count, start + CHUNK + 1);
  }

  /** @param {number} index number of images, now that the last page was read */
  end(index) {
    this.count = index;
    this.isCountKnown = true;
    this.isLoaded = true;
  }

  /** @param {number} chunk */
  farthest(chunk) {
    return [...this.chunks.keys()].reduce((far, one) => (Math.abs(one - chunk) > Math.abs(far - chunk) ? one : far));
  }

  /**
   * @param {string} pageToken
   * @param {number} pageSize
   * @param {boolean} thumbnails
   * @returns {Promise<{images: Image[], nextPageToken: string, total?: string}>}
   */
  async page(pageToken, pageSize, thumbnails) {
    const request = { library: this.library, filter: this.filter, order: "LIST_ORDER_NEWEST_FIRST", pageToken, pageSize, thumbnails };
    const response = await call("ListImages", request, this.abort.signal);
    return { images: response.images ?? [], nextPageToken: response.nextPageToken ?? "", total: response.total };
  }

  /**
   * Returns the images of a range if they are at hand, and its ends are these signs.
   * @param {number} first
   * @param {number} last inclusive
   * @param {[string, string | undefined]} ends in either order; `undefined`: the end of the list
   * @returns {Image[] | undefined}
   */
  near(first, last, [one, other]) {
    const images = Array.from({ length: last + 1 - first }, (_, index) => this.at(first + index));
    const [begin, end] = [images[0]?.contSign, images.at(-1)?.contSign];
    const isRange = (begin === one && (other === undefined || end === other)) || (begin === other && end === one);
    return isRange && images.every(Boolean) ? /** @type {Image[]} */ (images) : undefined;
  }

  /**
   * Reads the images from one sign to another, without thumbnails, for a selection. The positions
   * only say where to begin: they shift when others add and delete images.
   * @param {number} first position of the earlier one
   * @param {[string, string | undefined]} ends in either order; `undefined`: the end of the list
   * @param {number} limit
   * @returns {Promise<Image[] | undefined>} `undefined`: one is not in the list any more, or they are too many
   */
  async between(first, [one, other], limit) {
    const begin = Math.floor(first / CHUNK) * CHUNK;
    while (!this.tokens.has(begin)) {
      const nearest = Math.max(...[...this.tokens.keys()].filter((index) => index < begin));
      await this.walk(nearest, Math.min(STEP, begin - nearest));
      if (this.isCountKnown && this.count <= begin) return undefined;
    }
    /** @type {Image[]} */
    const images = [];
    /** @type {number[]} */
    let found = [];
    let token = this.tokens.get(begin) ?? "";
    do {
      const page = await this.page(token, STEP, false);
      images.push(...page.images);
      token = page.nextPageToken;
      found = [one, other].map((sign) => images.findIndex((image) => image.contSign === sign));
      if (other === undefined && !token) found[1] = images.length - 1;
    } while (token && Math.min(...found) < 0 && images.length < limit + CHUNK + STEP);
    const [from, to] = [Math.min(...found), Math.max(...found)];
    return from >= 0 && to - from < limit ? images.slice(from, to + 1) : undefined;
  }
}
