// Streams of many items, against gateways that stop and die.

import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import path from "node:path";
import test from "node:test";
import { setImmediate } from "node:timers/promises";
import { SamegateError } from "samegate";

import { all, gateway, until } from "./support/gateway.mjs";
import { bmp, items, png } from "./support/images.mjs";

/** The methods of the calls that have ended at the gateway. */
async function endedCalls(client) {
  return (await client.state()).calls.map((call) => call.method.split("/")[1]);
}

test("a bulk load gives one outcome for each item", async (t) => {
  const started = await gateway(t);
  const client = started.client(t);
  const none = path.join(started.folder, "none.jpg");
  const bad = [
    { image: Buffer.from("no image"), reason: "IMAGE_FORMAT" },
    { image: { path: none }, reason: "FILE_UNREADABLE" },
    { image: png(3), brief: "x".repeat(257), reason: "PARAMETER_TOO_LONG" },
    { image: png(3), tags: [-1], reason: "INVALID_ITEM" },
    /** @type {any} */ ({ reason: "INVALID_ITEM" }),
  ];
  const outcomes = await all(client.addAll([...items(5), ...bad]));

  assert.equal(outcomes.length, 10);
  for (const item of bad) {
    assert.equal(outcomes.find((outcome) => outcome.item === item)?.error?.reason, item.reason);
  }
  assert.equal(outcomes.filter((outcome) => !outcome.error).length, 5);
  assert.equal((await client.info()).imageCount, 5n);
});

test("an error of the caller's iterable comes after the outcomes", async (t) => {
  const client = (await gateway(t)).client(t);
  const mine = new Error("mine");
  async function* failing() {
    yield* items(3);
    throw mine;
  }
  const outcomes = [];
  await assert.rejects(async () => {
    for await (const outcome of client.addAll(failing())) outcomes.push(outcome);
  }, mine);
  assert.equal(outcomes.length, 3);
  assert.equal((await client.info()).imageCount, 3n);
});

test("an empty iterable gives nothing, without a stream", async (t) => {
  const client = (await gateway(t)).client(t);
  assert.deepEqual(await all(client.addAll([])), []);
  assert.ok(!(await endedCalls(client)).includes("AddImages"));
});

test("the iterable may wait for outcomes", async (t) => {
  const client = (await gateway(t)).client(t);
  const seen = [];
  async function* oneByOne() {
    for (const [index, item] of items(5).entries()) {
      yield item;
      await until(() => seen.length > index);
    }
  }
  for await (const outcome of client.addAll(oneByOne())) seen.push(outcome.error);
  assert.deepEqual(seen, Array(5).fill(undefined));
});

test("no more items are taken than may be in flight", async (t) => {
  const started = await gateway(t);
  const client = started.client(t);
  for (const image of [png(1), { path: path.join(started.folder, "none.jpg") }]) {
    let taken = 0;
    let seen = 0;
    function* counted() {
      for (; taken < 500; taken += 1) yield { image };
    }
    for await (const _ of client.addAll(counted(), { maxInFlight: 4 })) {
      seen += 1;
      assert.ok(taken - seen <= 4, `${taken} taken, ${seen} seen`);
    }
    assert.equal(seen, 500);
  }
});

/** Ends the gateway after some outcomes and starts it again; returns the outcomes. */
async function interrupted(started, signal, outcomes) {
  const gathered = [];
  for await (const outcome of outcomes) {
    assert.equal(outcome.error, undefined);
    gathered.push(outcome);
    if (gathered.length === 8) {
      await started.end(signal);
      await started.start();
    }
  }
  return gathered;
}

for (const [how, signal] of [["is killed", "SIGKILL"], ["drains", "SIGTERM"]]) {
  test(`a bulk load survives a gateway that ${how}`, async (t) => {
    const started = await gateway(t);
    const client = started.client(t);
    const added = items(24);
    const outcomes = await interrupted(started, signal, client.addAll(added, { maxInFlight: 4 }));
    assert.deepEqual(new Set(outcomes.map((outcome) => outcome.item)), new Set(added));
    assert.equal(outcomes.length, 24);
    const briefs = (await all(client.images())).map((image) => image.brief);
    assert.deepEqual(briefs.sort(), added.map((item) => item.brief).sort());
  });

  test(`a bulk search survives a gateway that ${how}`, async (t) => {
    const started = await gateway(t);
    const client = started.client(t);
    await client.add(png(1));
    const queries = items(24).map((item) => item.image);
    const outcomes = await interrupted(started, signal, client.searchAll(queries, { maxInFlight: 4 }));
    assert.deepEqual(new Set(outcomes.map((outcome) => outcome.item)), new Set(queries));
    assert.deepEqual(outcomes.map((outcome) => outcome.result?.matches.length), Array(24).fill(1));
  });
}

test("a bulk search finds the matches of each query", async (t) => {
  const client = (await gateway(t)).client(t);
  const signs = [];
  for (const seed of [1, 2, 3]) signs.push((await client.add(png(seed))).contSign);
  const queries = [bmp(1), bmp(3), bmp(9), { contSign: signs[1] }];
  const outcomes = await all(client.searchAll(queries));
  const found = queries.map((query) => outcomes.find((outcome) => outcome.item === query)?.result);
  const matches = found.map((result) => result?.matches.map((match) => match.contSign));
  assert.deepEqual(matches, [[signs[0]], [signs[2]], [], []]);
});

test("a caller that stops reading ends the stream and its own iterable", async (t) => {
  const client = (await gateway(t)).client(t);
  let isEnded = false;
  function* source() {
    try {
      yield* items(500);
    } finally {
      isEnded = true;
    }
  }
  for await (const _ of client.addAll(source(), { maxInFlight: 4 })) break;
  await until(() => isEnded);
  await until(async () => (await endedCalls(client)).includes("AddImages"));
  assert.ok((await client.info()).imageCount < 20n);
});

test("an aborted signal ends streams and calls with its reason, and nothing listens to it any more", async (t) => {
  const client = (await gateway(t)).client(t);
  const controller = new AbortController();
  const { signal } = controller;
  const reason = new Error("enough");
  await all(client.addAll(items(3), {}, { signal }));
  await all(client.findDuplicates({}, { signal }));
  await client.info({ signal });
  assert.equal(getEventListeners(signal, "abort").length, 0);
  const warned = once(process, "warning");
  await Promise.all(Array.from({ length: 20 }, () => client.info({ signal })));
  assert.equal(await Promise.race([warned, setImmediate()]), undefined);

  async function* endless() {
    yield* items(5);
    await new Promise(() => {});
  }
  const outcomes = [];
  await assert.rejects(async () => {
    for await (const outcome of client.addAll(endless(), {}, { signal })) {
      outcomes.push(outcome);
      if (outcomes.length === 5) setImmediate().then(() => controller.abort(reason));
    }
  }, reason);
  await assert.rejects(client.search(png(1), {}, { signal }), reason);
  await assert.rejects(all(client.findDuplicates({}, { signal })), reason);
  assert.equal(getEventListeners(signal, "abort").length, 0);
  await until(async () => (await endedCalls(client)).filter((name) => name === "AddImages").length === 2);
});

test("a closed client ends what runs and rejects what comes", async (t) => {
  const client = (await gateway(t)).client(t);
  const load = client.addAll(items(500), { maxInFlight: 4 });
  await load.next();
  client.close();
  await assert.rejects(all(load), /shut down/);
  await assert.rejects(client.info(), (error) => !(error instanceof SamegateError));
});
