// Shows every kind of error, and what to do about it.
//
// Usage: errors.mjs HOST:PORT PICTURE

import { Client, SamegateError, status } from "samegate";

const [target, path] = process.argv.slice(2);
const samegate = new Client(target, { apiKey: process.env.SAMEGATE_API_KEY });
const picture = { path };

/** Adds a picture; returns its sign, also if it is stored already. */
async function addOnce() {
  try {
    return (await samegate.add(picture)).contSign;
  } catch (error) {
    if (error instanceof SamegateError && error.reason === "IMAGE_ALREADY_EXISTS") {
      return error.contSign;
    }
    throw error;
  }
}

/** Says whose turn it is. */
function explain(/** @type {SamegateError} */ error) {
  if (error.violations.length > 0) {
    const fields = error.violations.map((each) => `${each.field}: ${each.description}`);
    return `change the request (${fields.join(", ")})`;
  }
  if (error.code === status.UNAUTHENTICATED || error.code === status.PERMISSION_DENIED) {
    return "check the key";
  }
  if (error.code === status.NOT_FOUND) return "there is no such image or library";
  if (error.isTransient) {
    // The client has tried again already, as often as it may within its timeout.
    return error.retryAfterMs ? `try again after ${error.retryAfterMs} ms` : "try again later";
  }
  return "tell the operator of the gateway, with the reason";
}

console.log("stored as", await addOnce(), await addOnce());
const calls = [
  () => samegate.search(Buffer.from("not a picture")),
  () => samegate.add(picture, { brief: "x".repeat(257), tags: [0] }),
  () => samegate.get("1,1"),
  () => samegate.search({ path: "no such file" }),
];
for (const call of calls) {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof SamegateError)) throw error;
    console.log(`${error.reason}: ${error.details}: ${explain(error)}`);
  }
}
samegate.close();
