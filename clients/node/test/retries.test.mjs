// Which calls are retried, and for how long.

import assert from "node:assert/strict";
import test from "node:test";
import { Client, SamegateError, status } from "samegate";

import { gateway } from "./support/gateway.mjs";
import { png } from "./support/images.mjs";
import { failing } from "./support/server.mjs";

const IMAGE = Buffer.from("the server does not read it");

function clientOf(t, { target }, options = {}) {
  const client = new Client(target, options);
  t.after(() => client.close());
  return client;
}

test("reads are retried after UNAVAILABLE, additions are not", async (t) => {
  const failures = Array(2).fill({ code: status.UNAVAILABLE });
  const server = await failing(t, failures);
  const client = clientOf(t, server);
  await client.search(IMAGE);
  assert.equal(server.times.length, 3);

  const other = await failing(t, failures);
  await assert.rejects(clientOf(t, other).add(IMAGE), { code: status.UNAVAILABLE, isTransient: true });
  assert.equal(other.times.length, 1);
});

test("a retry waits as long as the server asks for", async (t) => {
  const server = await failing(t, [{ code: status.RESOURCE_EXHAUSTED, pushback: "1500" }]);
  await clientOf(t, server).add(IMAGE);
  const [first, second] = server.times;
  assert.ok(second - first >= 1490, `${second - first} ms`);
});

test("a wait that exceeds the deadline ends at the deadline", async (t) => {
  const server = await failing(t, [{ code: status.RESOURCE_EXHAUSTED, pushback: "60000" }]);
  await assert.rejects(clientOf(t, server, { timeoutMs: 300 }).add(IMAGE), { code: status.DEADLINE_EXCEEDED });
  assert.equal(server.times.length, 1);
});

test("a server that says so gets no retry, and none gets more than three", async (t) => {
  const never = await failing(t, [{ code: status.RESOURCE_EXHAUSTED, pushback: "-1" }]);
  await assert.rejects(clientOf(t, never).search(IMAGE), { code: status.RESOURCE_EXHAUSTED });
  assert.equal(never.times.length, 1);

  const server = await failing(t, Array(9).fill({ code: status.RESOURCE_EXHAUSTED, pushback: "1" }));
  await assert.rejects(clientOf(t, server).search(IMAGE), { code: status.RESOURCE_EXHAUSTED });
  assert.equal(server.times.length, 4);
});

test("images of 10 MB are retried, twenty at once", async (t) => {
  const server = await failing(t, Array(20).fill({ code: status.RESOURCE_EXHAUSTED, pushback: "1" }));
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
