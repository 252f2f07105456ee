// Draws test images and writes them as PNG and BMP. A seed determines an image: rectangles with
// random positions and colours, so that there are corners to detect and every seed looks different.

import zlib from "node:zlib";

const WIDTH = 480;
const HEIGHT = 360;
const RECTANGLES = 60;

/** Numbers of a linear congruential generator (Numerical Recipes): 0 to `limit`, exclusive. */
function random(seed) {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** Rows of RGB bytes. */
function pixels(seed) {
  const next = random(seed);
  const rows = Array.from({ length: HEIGHT }, () => Buffer.alloc(3 * WIDTH, 128));
  for (let count = 0; count < RECTANGLES; count += 1) {
    const [width, height] = [10 + next(110), 10 + next(80)];
    const [left, top] = [next(WIDTH - width), next(HEIGHT - height)];
    const colour = Buffer.from([next(256), next(256), next(256)]);
    for (const row of rows.slice(top, top + height)) row.fill(colour, 3 * left, 3 * (left + width));
  }
  return rows;
}

function chunk(kind, data) {
  const named = Buffer.concat([Buffer.from(kind), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(zlib.crc32(named));
  return Buffer.concat([length, named, check]);
}

/** A PNG (ISO 15948): signature, IHDR, one IDAT of unfiltered rows, IEND. */
export function png(seed) {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  header.writeUInt32BE(WIDTH, 0);
  header.writeUInt32BE(HEIGHT, 4);
  const rows = pixels(seed).flatMap((row) => [Buffer.from([0]), row]);
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", zlib.deflateSync(Buffer.concat(rows))),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

/** A BMP with BITMAPINFOHEADER: rows bottom-up, as BGR; the width is a multiple of 4. */
export function bmp(seed) {
  const rows = pixels(seed).reverse();
  for (const row of rows) {
    for (let at = 0; at < row.length; at += 3) row.subarray(at, at + 3).reverse();
  }
  const header = Buffer.alloc(54);
  header.write("BM");
  header.writeUInt32LE(54 + 3 * WIDTH * HEIGHT, 2);
  header.writeUInt32LE(54, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(WIDTH, 18);
  header.writeInt32LE(HEIGHT, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(24, 28);
  return Buffer.concat([header, ...rows]);
}

/** Images that differ; searches are not what is tested, so they are one picture. */
export function items(count) {
  const picture = png(1);
  // A decoder ignores what comes after the end of the picture.
  const image = (number) => Buffer.concat([picture, Buffer.from(String(number))]);
  return Array.from({ length: count }, (_, number) => ({ image: image(number), brief: `n/${number}` }));
}
