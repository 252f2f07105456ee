// Streams of servers that fail in the middle.

import assert from "node:assert/strict";
import test from "node:test";
import { Client, SamegateError, status } from "samegate";

import { all } from "./support/gateway.mjs";
import { serve } from "./support/server.mjs";

const UNAVAILABLE = { code: status.UNAVAILABLE, details: "as the test says" };

function clientOf(t, target, options = {}) {
  const client = new Client(target, options);
  t.after(() => client.close());
  return client;
}

test("duplicates go on from the cursor after an interruption", async (t) => {
  const cursors = [];
  const group = (brief) => ({ event: { case: "group", value: { images: [{ brief }] } } });
  const progress = (cursor) => ({ event: { case: "progress", value: { compared: 1n, total: 2n, cursor } } });
  const findDuplicates = (call) => {
    cursors.push(call.request.cursor);
    if (cursors.length === 1) {
      for (const message of [group("first"), progress("one"), group("second")]) call.write(message);
      call.emit("error", UNAVAILABLE);
    } else {
      for (const message of [group("second"), progress("two")]) call.write(message);
      call.end();
    }
  };
  const duplicates = clientOf(t, await serve(t, { findDuplicates })).findDuplicates();
  const briefs = (await all(duplicates)).map((each) => each.images[0]?.brief);
  // What was sent after the cursor is sent again.
  assert.deepEqual(briefs, ["first", "second", "second"]);
  assert.deepEqual([cursors, duplicates.cursor], [["", "one"], "two"]);
});

/** Serves a bulk load; `respond` makes the status of each item, from its key and how often it came. */
async function loading(t, respond) {
  const attempts = new Map();
  const addImages = (call) => {
    call.on("data", ({ payload }) => {
      if (payload.case !== "item") return;
      const { key } = payload.value;
      attempts.set(key, (attempts.get(key) ?? 0) + 1);
      const found = respond(key, attempts.get(key));
      if (found === "break") call.emit("error", UNAVAILABLE);
      else if (found) call.write({ event: { case: "result", value: { key, status: found } } });
    });
    call.on("end", () => call.end());
  };
  return { client: clientOf(t, await serve(t, { addImages })), attempts };
}

const image = Buffer.from("the server does not read it");

test("an item that fails for a transient reason is sent three times, another one once", async (t) => {
  const statuses = {
    0: (attempt) => ({ code: attempt < 3 ? status.UNAVAILABLE : status.OK }),
    1: () => ({ code: status.UNAVAILABLE, reason: "VENDOR_UNAVAILABLE" }),
    2: () => ({ code: status.RESOURCE_EXHAUSTED, reason: "LIBRARY_FULL" }),
  };
  const { client, attempts } = await loading(t, (key, attempt) => statuses[key](attempt));
  const items = [0, 1, 2].map((number) => ({ image, number }));
  const outcomes = await all(client.addAll(items));
  // It waits for none of those that are sent again.
  assert.equal(outcomes[0]?.item.number, 2);
  const reasons = outcomes.map(({ item, error }) => [item.number, error?.reason]).sort();
  assert.deepEqual(reasons, [[0, undefined], [1, "VENDOR_UNAVAILABLE"], [2, "LIBRARY_FULL"]]);
  assert.deepEqual([...attempts.values()], [3, 3, 1]);
});

test("a broken stream costs no item an attempt, and repeats no outcome", async (t) => {
  const { client, attempts } = await loading(t, (key, attempt) => (key === "5" && attempt < 3 ? "break" : { code: 0 }));
  const outcomes = await all(client.addAll(Array(40).fill({ image }), { maxInFlight: 2 }));
  assert.deepEqual(outcomes.map((outcome) => outcome.error), Array(40).fill(undefined));
  assert.equal(attempts.get("5"), 3);
});

test("a stream that is rejected for good ends the run with its error", async (t) => {
  const addImages = (call) => call.emit("error", { code: status.PERMISSION_DENIED, details: "no" });
  const client = clientOf(t, await serve(t, { addImages }));
  const denied = (error) => error instanceof SamegateError && error.code === status.PERMISSION_DENIED;
  await assert.rejects(all(client.addAll([{ image }])), denied);
});

test("streams that the caller leaves take nothing from the retry buffer", async (t) => {
  let calls = 0;
  const searchImages = (_, done) => (++calls === 1 ? done(UNAVAILABLE) : done(null, {}));
  const addImages = (call) => {
    const result = { event: { case: "result", value: { key: "0", status: { code: 0 } } } };
    // Late, so that only the item that takes the place of this one is being sent when the caller leaves.
    call.on("data", ({ payload }) => payload.value.key === "0" && setTimeout(() => call.write(result), 30));
  };
  const options = { channelOptions: { "grpc.retry_buffer_size": 100_000 } };
  const client = clientOf(t, await serve(t, { addImages, searchImages }), options);
  const image = Buffer.alloc(10_000);
  for (let count = 0; count < 20; count += 1) {
    for await (const _ of client.addAll(Array(50).fill({ image }), { maxInFlight: 4 })) break;
  }
  // A request that does not fit into the buffer is not retried.
  await client.search(image);
  assert.equal(calls, 2);
});
