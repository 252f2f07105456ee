/**
 * Who calls: the API key, the tenant's libraries, and what the key may do.
 *
 * The key is in memory, or in `sessionStorage` if its user wishes it, which ends with the tab. It is
 * never in a URL, a cookie or `localStorage`.
 */

const STORED = "samegate.key";

/**
 * @typedef {object} Library
 * @property {string} library
 * @property {string} backend
 * @property {string} [imageCount]
 * @property {string} [imageCapacity]
 * @property {string} [sizeBytes]
 * @property {string} maxImageBytes
 * @property {number} maxSide
 * @property {string[]} [capabilities]
 */

/**
 * Returns whether a text can be a key: a header with anything else is never sent.
 * @param {string} text
 */
export function isKey(text) {
  return /^[\x21-\x7e]+$/.test(text);
}

const stored = sessionStorage.getItem(STORED) ?? "";
let key = isKey(stored) ? stored : "";

export const session = {
  /** @type {Library[]} */
  libraries: [],
  /** Whether the key may change nothing. */
  readOnly: false,

  get hasKey() {
    return key !== "";
  },

  /** @returns {Record<string, string>} the header that proves who calls; none without a key */
  headers() {
    return key ? { authorization: `Bearer ${key}` } : {};
  },

  /**
   * @param {string} value
   * @param {boolean} keep whether the tab remembers it over a reload
   */
  setKey(value, keep) {
    key = value;
    if (keep && value) sessionStorage.setItem(STORED, value);
    else sessionStorage.removeItem(STORED);
  },

  /**
   * @param {string} name
   * @returns {Library | undefined}
   */
  library(name) {
    return this.libraries.find((library) => library.library === name);
  },

  /**
   * Returns whether a library can do something beyond adding and searching.
   * @param {string} name
   * @param {string} capability such as `LIST`
   */
  can(name, capability) {
    return this.library(name)?.capabilities?.includes(`CAPABILITY_${capability}`) ?? false;
  },
};
