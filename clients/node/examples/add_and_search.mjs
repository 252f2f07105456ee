// Adds a picture and finds it by another one.
//
// Usage: add_and_search.mjs HOST:PORT STORED QUERY

import path from "node:path";
import { Client, pb } from "samegate";

const [target, stored, query] = process.argv.slice(2);
const samegate = new Client(target, { apiKey: process.env.SAMEGATE_API_KEY });

// With ACCEPT it is no error that the same bytes are stored already.
const brief = path.basename(stored);
const added = await samegate.add({ path: stored }, { brief, onDuplicate: pb.OnDuplicate.ACCEPT });
console.log("stored as", added.contSign, added.existed ? "before" : "now");

const { matches } = await samegate.search({ path: query }, { limit: 10 });
for (const match of matches) {
  console.log(`${(match.score * 100).toFixed(1)}%  ${match.contSign}  ${match.brief}`);
}
samegate.close();
