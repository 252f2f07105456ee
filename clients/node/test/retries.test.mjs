// Which calls are retried, and for how long.

import assert from "node:assert/strict";
import test from "node:test";
import { Client, SamegateError, status } from "samegate";

import { gateway, until } from "./support/gateway.mjs";
import { png } from "./support/images.mjs";
import { failing } from "./support/server.mjs";

const { CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE } = status;
const IMAGE = Buffer.from("the server does not read it");

function clientOf(t, { target }, options = {}) {
  const client = new Client(target, options);
  t.after(() => client.close());
  return client;
}

test("reads are retried after UNAVAILABLE, additions are not", async (t) => {
  const failures = [{ code: UNAVAILABLE }, { code: UNAVAILABLE, reason: "VENDOR_UNAVAILABLE", waitMs: 1 }];
  const server = await failing(t, failures);
  await clientOf(t, server).search(IMAGE);
  assert.equal(server.times.length, 3);

  for (const failure of failures) {
    const other = await failing(t, [failure]);
    await assert.rejects(clientOf(t, other).add(IMAGE), { code: UNAVAILABLE, isTransient: true });
    assert.equal(other.times.length, 1);
  }
});

test("a retry waits as long as the gateway asks for", async (t) => {
  const server = await failing(t, [{ code: RESOURCE_EXHAUSTED, reason: "OVERLOADED", waitMs: 1500 }]);
  await clientOf(t, server).add(IMAGE);
  const [first, second] = server.times;
  assert.ok(second - first >= 1490, `${second - first} ms`);
});

test("a wait that ends after the deadline is not begun", async (t) => {
  const server = await failing(t, [{ code: RESOURCE_EXHAUSTED, reason: "QUOTA_RATE_EXCEEDED", waitMs: 60_000 }]);
  const begin = performance.now();
  const expected = { code: RESOURCE_EXHAUSTED, reason: "QUOTA_RATE_EXCEEDED", retryAfterMs: 60_000 };
  await assert.rejects(clientOf(t, server).add(IMAGE), expected);
  assert.ok(performance.now() - begin < 30_000);
  assert.equal(server.times.length, 1);
});

test("a deadline of the call counts in place of the client's", async (t) => {
  const server = await failing(t, [{ code: RESOURCE_EXHAUSTED, reason: "OVERLOADED", waitMs: 1000 }]);
  const late = clientOf(t, server).search(IMAGE, {}, { timeoutMs: 500 });
  await assert.rejects(late, { code: RESOURCE_EXHAUSTED, reason: "OVERLOADED", retryAfterMs: 1000 });
  assert.equal(server.times.length, 1);
});

test("a signal and the end of the client end a wait", async (t) => {
  const waitMs = 20_000;
  const server = await failing(t, Array(2).fill({ code: RESOURCE_EXHAUSTED, reason: "OVERLOADED", waitMs }));
  const client = clientOf(t, server);
  const controller = new AbortController();
  const begin = performance.now();
  const aborted = assert.rejects(client.search(IMAGE, {}, { signal: controller.signal }), new Error("mine"));
  await until(() => server.times.length === 1);
  controller.abort(new Error("mine"));
  await aborted;
  assert.equal(server.times.length, 1);
  const closed = assert.rejects(client.search(IMAGE), { code: CANCELLED });
  await until(() => server.times.length === 2);
  client.close();
  await closed;
  assert.equal(server.times.length, 2);
  assert.ok(performance.now() - begin < waitMs);
});

test("a retry that meets the deadline reports the rejection before it", async (t) => {
  const failures = [{ code: RESOURCE_EXHAUSTED, reason: "OVERLOADED", waitMs: 1 }, { code: DEADLINE_EXCEEDED }];
  const search = clientOf(t, await failing(t, failures)).search(IMAGE);
  await assert.rejects(search, { code: RESOURCE_EXHAUSTED, reason: "OVERLOADED" });
  // The last attempt of an addition may have been carried out.
  const addition = clientOf(t, await failing(t, failures)).add(IMAGE);
  await assert.rejects(addition, { code: DEADLINE_EXCEEDED });
});

test("what no gateway has rejected is retried only if it is idempotent", async (t) => {
  const failures = [{ code: RESOURCE_EXHAUSTED }];
  await clientOf(t, await failing(t, failures)).search(IMAGE);
  const server = await failing(t, failures);
  await assert.rejects(clientOf(t, server).add(IMAGE), { code: RESOURCE_EXHAUSTED });
  assert.equal(server.times.length, 1);
});

test("a wait of zero means that a retry helps, a negative pushback that none does", async (t) => {
  const failure = { code: RESOURCE_EXHAUSTED, reason: "OVERLOADED", waitMs: 0 };
  await clientOf(t, await failing(t, [failure])).add(IMAGE);
  const server = await failing(t, [{ ...failure, pushback: "-1" }]);
  await assert.rejects(clientOf(t, server).search(IMAGE), { code: RESOURCE_EXHAUSTED, isTransient: false });
  assert.equal(server.times.length, 1);
});

test("an error without a wait gets no retry, and none gets more than three", async (t) => {
  const never = await failing(t, [{ code: RESOURCE_EXHAUSTED, reason: "OF_A_LATER_VERSION" }]);
  await assert.rejects(clientOf(t, never).search(IMAGE), { code: RESOURCE_EXHAUSTED });
  assert.equal(never.times.length, 1);

  const server = await failing(t, Array(9).fill({ code: RESOURCE_EXHAUSTED, reason: "OVERLOADED", waitMs: 1 }));
  await assert.rejects(clientOf(t, server).search(IMAGE), { code: RESOURCE_EXHAUSTED });
  assert.equal(server.times.length, 4);
});

test("images of 10 MB are retried, twenty at once", async (t) => {
  const server = await failing(t, Array(20).fill({ code: RESOURCE_EXHAUSTED, reason: "OVERLOADED", waitMs: 1 }));
  const client = clientOf(t, server, { timeoutMs: 120_000 });
  const image = Buffer.alloc(10_000_000);
  await Promise.all(Array.from({ length: 20 }, () => client.add(image)));
  assert.equal(server.times.length, 40);
});

test("calls beyond a quota succeed later, as the gateway asks for", async (t) => {
  const started = await gateway(t, "quota = { requests_per_second = 2, burst = 1 }");
  const client = started.client(t);
  await Promise.all([client.info(), client.info(), client.tags()]);
  assert.ok(((await client.state()).quota?.rejected ?? 0n) > 0n);
});

test("a gateway that does not respond meets the deadline", async (t) => {
  const started = await gateway(t);
  const client = started.client(t, { timeoutMs: 1000 });
  started.process.kill("SIGSTOP");
  const error = await client.search(png(1)).catch((reason) => reason);
  assert.equal(await client.isServing(), false);
  started.process.kill("SIGCONT");
  assert.ok(error instanceof SamegateError, error);
  assert.deepEqual([error.code, error.isTransient], [status.DEADLINE_EXCEEDED, true]);
  await started.client(t).info();
});
