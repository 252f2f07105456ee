// Prints the libraries that a key may use, each with the number of its images; errors in one line.
//
// Usage: libraries.mjs HOST:PORT

import { Client, SamegateError } from "samegate";

const [target] = process.argv.slice(2);
const samegate = new Client(target, { apiKey: process.env.SAMEGATE_API_KEY, timeoutMs: 10_000 });

try {
  for (const { library, imageCount } of await samegate.libraries()) {
    console.log(`${library} ${imageCount ?? "?"}`);
  }
} catch (error) {
  if (!(error instanceof SamegateError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
samegate.close();
