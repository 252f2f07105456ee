// Loads a folder of pictures; a second run sends only what the first one has not.
//
// Usage: load_folder.mjs HOST:PORT FOLDER
//
// The file `.loaded` in the folder lists what is stored. A line is written when the gateway has
// acknowledged the picture, which is on the disk then.

import fs from "node:fs";
import path from "node:path";
import { Client } from "samegate";

const SUFFIXES = new Set([".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"]);

const [target, folder] = process.argv.slice(2);
const journal = path.join(folder, ".loaded");
const lines = fs.existsSync(journal) ? fs.readFileSync(journal, "utf8").split("\n") : [];
const stored = new Set(lines.filter(Boolean));
const files = fs
  .readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => SUFFIXES.has(path.extname(name).toLowerCase()) && !stored.has(name))
  .sort();
console.log(`${files.length} to send, ${stored.size} stored by earlier runs`);

const samegate = new Client(target, { apiKey: process.env.SAMEGATE_API_KEY });
const items = files.map((name) => ({ image: { path: path.join(folder, name) }, brief: name }));
let count = 0;
let failed = 0;
// The client reads a file when the gateway has room for it, so pictures are not held in memory.
for await (const { item, error } of samegate.addAll(items)) {
  count += 1;
  if (error) {
    failed += 1;
    console.error(`${item.brief}: ${error.message}`);
  } else {
    fs.appendFileSync(journal, `${item.brief}\n`);
  }
  if (count % 100 === 0 || count === files.length) {
    console.log(`${count} of ${files.length}, ${failed} failed`);
  }
}
samegate.close();
process.exitCode = failed ? 1 : 0;
