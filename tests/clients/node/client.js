// The Node client of gRPC, made from the .proto file only.
//
// Usage: client.js HOST:PORT PROTO_FOLDER IMAGE_FOLDER
//
// Unary calls, the stream, and an error. The library is empty at the start and
// at the end.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");

const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const TIMEOUT_MS = 30_000;

async function main(target, protoFolder, imageFolder) {
  const client = connect(target, protoFolder);
  const files = fs.readdirSync(imageFolder).sort();
  const images = files.map((file) => fs.readFileSync(path.join(imageFolder, file)));
  let signs = [];

  await check("unary: an added image is found", async () => {
    const added = await call(client, "AddImage", { content: images[0], brief: "node/0", tags: [5] });
    assert.equal(added.existed, false);
    signs.push(added.cont_sign);

    const found = await call(client, "SearchImages", { content: images[0] });
    const [best] = found.matches;
    assert.equal(best.cont_sign, added.cont_sign);
    assert.equal(best.score, 1);
    assert.equal(best.brief, "node/0");
    assert.deepEqual(best.tags, [5]);
  });

  await check("unary: an error has its code", async () => {
    const adding = call(client, "AddImage", { content: images[0] });
    await assert.rejects(adding, { code: grpc.status.ALREADY_EXISTS });
  });

  await check("stream: every item has a result, then the summary", async () => {
    const contents = [...images.slice(1), Buffer.from("not an image")];
    const { results, summary } = await load(client, contents);

    assert.deepEqual(Object.keys(results).sort(), contents.map((_, index) => `key-${index}`).sort());
    const invalid = results[`key-${contents.length - 1}`];
    assert.equal(invalid.status.code, grpc.status.INVALID_ARGUMENT);
    assert.equal(invalid.status.reason, "IMAGE_FORMAT");
    assert.equal(Number(summary.received), contents.length);
    assert.equal(Number(summary.added), contents.length - 1);
    assert.equal(Number(summary.failed), 1);
    signs = signs.concat(Object.values(results).map((result) => result.cont_sign).filter(Boolean));
  });

  await check("unary: all images can be deleted", async () => {
    const deleted = await call(client, "DeleteImages", { cont_signs: { values: signs } });
    assert.deepEqual(deleted.results.map((result) => result.cont_sign), signs);
    assert.ok(deleted.results.every((result) => result.status.code === grpc.status.OK));
    const library = await call(client, "GetLibrary", {});
    assert.equal(Number(library.image_count), 0);
  });

  client.close();
}

function connect(target, protoFolder) {
  const file = "samegate/v1/same_image.proto";
  const options = { keepCase: true, longs: String, defaults: true, includeDirs: [protoFolder] };
  const { samegate } = grpc.loadPackageDefinition(loader.loadSync(file, options));
  return new samegate.v1.SameImageService(target, grpc.credentials.createInsecure());
}

function call(client, name, request) {
  return new Promise((resolve, reject) => {
    const done = (error, response) => (error ? reject(error) : resolve(response));
    client[name](request, { deadline: Date.now() + TIMEOUT_MS }, done);
  });
}

function load(client, contents) {
  return new Promise((resolve, reject) => {
    const stream = client.AddImages({ deadline: Date.now() + TIMEOUT_MS });
    const results = {};
    let summary;
    stream.on("data", (event) => {
      if (event.result) results[event.result.key] = event.result;
      if (event.summary) summary = event.summary;
    });
    stream.on("error", reject);
    stream.on("end", () => resolve({ results, summary }));
    stream.write({ options: { max_in_flight: 2 } });
    contents.forEach((content, index) => {
      stream.write({ item: { key: `key-${index}`, content, brief: `node/${index + 1}` } });
    });
    stream.end();
  });
}

async function check(name, body) {
  try {
    await body();
    console.log(`ok ${name}`);
  } catch (error) {
    console.error(error);
    console.log(`FAILED ${name}: ${String(error).split("\n")[0]}`);
    process.exitCode = 1;
  }
}

main(...process.argv.slice(2));
