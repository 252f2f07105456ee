// Methods and errors, against a gateway.

import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import test from "node:test";
import vm from "node:vm";
import { Client, pb, SamegateError, status } from "samegate";

import { all, freePorts, gateway } from "./support/gateway.mjs";
import { bmp, png } from "./support/images.mjs";

/** Returns the error that a call is rejected with. */
async function rejected(/** @type {Promise<unknown>} */ call) {
  const error = await call.then(() => assert.fail("it was not rejected"), (reason) => reason);
  assert.ok(error instanceof SamegateError, error);
  return error;
}

test("an image is added, found, changed and deleted", async (t) => {
  const started = await gateway(t);
  const client = started.client(t);
  assert.equal(await client.isServing(), true);
  const { contSign } = await client.add(png(1), { brief: "one", tags: [7] });
  await client.add(png(2), { brief: "two" });
  const file = path.join(started.folder, "one.bmp");
  fs.writeFileSync(file, bmp(1));

  const { matches } = await client.search({ path: file });
  assert.deepEqual(matches.map((match) => [match.contSign, match.brief]), [[contSign, "one"]]);
  assert.deepEqual((await client.search({ contSign })).matches, []);
  assert.ok((await client.compare(png(1), { contSign })).score > 0.9);
  assert.deepEqual((await client.tags()).map((each) => [each.tag, each.imageCount]), [[7, 1n]]);
  await client.update(contSign, { brief: "new", tags: [] });
  const image = await client.get(contSign);
  assert.deepEqual([image.brief, image.tags], ["new", []]);
  assert.deepEqual((await all(client.images({ pageSize: 1 }))).map((each) => each.brief), ["new", "two"]);
  assert.equal((await client.info()).imageCount, 2n);
  assert.deepEqual((await client.libraries()).map((each) => each.library), ["default"]);
  assert.equal((await client.state()).tenant, "shop");
  const { results } = await client.delete([contSign, "1,1"]);
  assert.deepEqual(results.map((result) => result.status?.code), [status.OK, status.NOT_FOUND]);
});

test("a record has its thumbnail, and on request its preview", async (t) => {
  const client = (await gateway(t)).client(t);
  const { contSign } = await client.add(png(1));
  const plain = await client.get(contSign);
  assert.equal(plain.previewJpeg.length, 0);
  const { thumbnailJpeg, previewJpeg } = await client.get(contSign, { preview: true });
  assert.deepEqual(thumbnailJpeg, plain.thumbnailJpeg);
  assert.deepEqual([...previewJpeg.subarray(0, 2)], [0xff, 0xd8]);
  assert.ok(previewJpeg.length > thumbnailJpeg.length, `${previewJpeg.length}`);
});

test("an error names reason, fields and the stored image", async (t) => {
  const started = await gateway(t);
  const client = started.client(t);
  const { contSign } = await client.add(png(1));

  const same = await rejected(client.add(png(1)));
  assert.deepEqual([same.code, same.reason], [status.ALREADY_EXISTS, "IMAGE_ALREADY_EXISTS"]);
  assert.deepEqual([same.contSign, same.isTransient], [contSign, false]);
  assert.match(String(same), /^SamegateError: .* \[IMAGE_ALREADY_EXISTS\]$/);
  const match = await rejected(client.add(bmp(1), { onMatch: pb.OnMatch.REJECT }));
  assert.deepEqual([match.reason, match.matches.map((each) => each.contSign)], ["SAME_IMAGE_EXISTS", [contSign]]);
  const invalid = await rejected(client.add(png(2), { brief: "b".repeat(257), tags: [1, 2, 3] }));
  assert.deepEqual(invalid.violations.map((each) => each.field).sort(), ["brief", "tags"]);
  assert.match(invalid.message, /`brief`: /);
  assert.equal((await rejected(client.search({ url: "ftp://x/y" }))).code, status.INVALID_ARGUMENT);
  assert.equal((await rejected(client.get("1,1"))).reason, "IMAGE_NOT_FOUND");
  const other = started.client(t, { library: "none" });
  assert.equal((await rejected(other.info())).reason, "LIBRARY_NOT_FOUND");
  const missing = await rejected(client.search({ path: path.join(started.folder, "none.jpg") }));
  assert.deepEqual([missing.code, missing.reason], [undefined, "FILE_UNREADABLE"]);
});

test("an argument of the wrong type or range is rejected here", async (t) => {
  const client = new Client("127.0.0.1:1");
  t.after(() => client.close());
  await assert.rejects(client.search(/** @type {any} */ ("photo.jpg")), TypeError);
  await assert.rejects(client.search(png(1), { limit: -1 }), /limit/);
  assert.throws(() => client.addAll([], { maxInFlight: 0.5 }), /max_in_flight/);
  await assert.rejects(all(client.addAll(/** @type {any} */ (5))), TypeError);
  const unclean = new Client("127.0.0.1:1", { apiKey: "a secret\n" });
  t.after(() => unclean.close());
  await assert.rejects(unclean.info(), (error) => error instanceof TypeError && !error.message.includes("secret"));
});

test("a key decides what is allowed, and may come from a function", async (t) => {
  const started = await gateway(t);
  const other = started.client(t, { apiKey: "other" });
  assert.equal((await rejected(other.info())).reason, "CREDENTIALS_INVALID");
  const reader = started.client(t, { apiKey: async () => "reader" });
  assert.equal((await reader.info()).imageCount, 0n);
  assert.equal((await rejected(reader.add(png(1)))).reason, "READ_ONLY_KEY");
  assert.equal((await rejected(all(reader.addAll([{ image: png(1) }])))).reason, "READ_ONLY_KEY");
});

test("a key is waited for until the timeout or the signal, and its errors are thrown", async (t) => {
  const clientOf = (apiKey, timeoutMs) => {
    const client = new Client("127.0.0.1:1", { apiKey, timeoutMs });
    t.after(() => client.close());
    return client;
  };
  const load = [{ image: Buffer.from("not sent") }];
  const never = () => new Promise(() => {});
  const impatient = clientOf(never, 50);
  for (const call of [impatient.info(), all(impatient.addAll(load))]) {
    assert.equal((await rejected(call)).code, status.DEADLINE_EXCEEDED);
  }
  const patient = clientOf(never, 60_000);
  const controller = new AbortController();
  const options = { signal: controller.signal };
  const calls = [patient.info(options), all(patient.addAll(load, {}, options)), all(patient.findDuplicates({}, options))];
  const mine = new Error("mine");
  const ended = Promise.all(calls.map((call) => assert.rejects(call, mine)));
  controller.abort(mine);
  await ended;
  const failing = clientOf(async () => {
    throw mine;
  });
  await assert.rejects(failing.info(), mine);
  await assert.rejects(all(failing.addAll(load)), mine);
});

test("a file that cannot be read is the same error in another realm, such as Jest's", async () => {
  const file = createRequire(import.meta.url).resolve("../dist/images.js");
  const module = vm.runInNewContext(`(function (exports, require) { ${fs.readFileSync(file, "utf8")} })`);
  const exported = /** @type {any} */ ({});
  module(exported, createRequire(file));
  assert.equal((await rejected(exported.source({ path: "no such file" }))).reason, "FILE_UNREADABLE");
});

test("duplicates are found, and the cursor selects what is new", async (t) => {
  const client = (await gateway(t)).client(t);
  const signs = [await client.add(png(1)), await client.add(bmp(1))].map((added) => added.contSign);
  await client.add(png(2));
  const duplicates = client.findDuplicates();
  const groups = await all(duplicates);
  assert.deepEqual(groups.map((group) => group.images.map((image) => image.contSign)), [signs]);
  assert.deepEqual([duplicates.compared, duplicates.total], [3, 3]);
  assert.deepEqual(await all(client.findDuplicates({ cursor: duplicates.cursor })), []);
  const invalid = await rejected(all(client.findDuplicates({ cursor: "x" })));
  assert.equal(invalid.violations[0]?.field, "cursor");
});

test("a gateway that is not there is not serving", async (t) => {
  const client = new Client(`127.0.0.1:${(await freePorts(1))[0]}`);
  t.after(() => client.close());
  assert.equal(await client.isServing(), false);
  assert.equal((await rejected(client.info())).code, status.UNAVAILABLE);
});
