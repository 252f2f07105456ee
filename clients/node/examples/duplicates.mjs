// Prints the groups of same pictures, and the cursor for the next run.
//
// Usage: duplicates.mjs HOST:PORT [CURSOR]

import { Client } from "samegate";

const [target, cursor] = process.argv.slice(2);
const samegate = new Client(target, { apiKey: process.env.SAMEGATE_API_KEY });

const duplicates = samegate.findDuplicates({ minScore: 0.8, cursor });
for await (const { images, pairs } of duplicates) {
  const largest = images.reduce((a, b) => (b.width * b.height > a.width * a.height ? b : a));
  console.log(`${images.length} pictures; the largest is ${largest.contSign} ${largest.brief}`);
  for (const pair of pairs) {
    console.log(`  ${(pair.score * 100).toFixed(1)}%  ${pair.a}  ${pair.b}`);
  }
}
console.log(`compared ${duplicates.compared}; next time from ${duplicates.cursor}`);
samegate.close();
