// The clients of Connect for Node and for browsers, in JSON and in protobuf.
//
// Usage: connect.js HOST:PORT PROTO_FOLDER IMAGE_FOLDER
//
// The client for browsers runs here too: it needs nothing but fetch. Calls, a
// stream, errors with their details, deadlines, compression. The library is
// empty at the start and at the end.
"use strict";

const assert = require("node:assert/strict");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const { createFileRegistry, fromBinary } = require("@bufbuild/protobuf");
const { FileDescriptorSetSchema } = require("@bufbuild/protobuf/wkt");
const { Code, ConnectError, createClient } = require("@connectrpc/connect");
const node = require("@connectrpc/connect-node");
const web = require("@connectrpc/connect-web");

const TIMEOUT_MS = 30_000;

async function main(target, protoFolder, imageFolder) {
  const registry = contract(protoFolder);
  const service = registry.getService("samegate.v1.SameImageService");
  const files = fs.readdirSync(imageFolder).sort().slice(0, 3);
  const images = files.map((file) => fs.readFileSync(path.join(imageFolder, file)));

  for (const [name, transport] of Object.entries(transports(`http://${target}`))) {
    const client = createClient(service, transport);
    const options = { timeoutMs: TIMEOUT_MS };
    const signs = [];

    await check(`${name}: an added image is found`, async () => {
      const source = { case: "content", value: images[0] };
      const added = await client.addImage({ source, brief: name, tags: [5] }, options);
      signs.push(added.contSign);
      const found = await client.searchImages({ source }, options);
      assert.equal(found.matches[0].contSign, added.contSign);
      assert.equal(found.matches[0].brief, name);
      assert.equal(found.matches[0].score, 1);
    });

    await check(`${name}: lists have times, bytes and integers of 64 bits`, async () => {
      const listed = await client.listImages({ thumbnails: true }, options);
      assert.equal(listed.total, 1n);
      const [image] = listed.images;
      assert.equal(image.sizeBytes, BigInt(images[0].length));
      assert.deepEqual([...image.thumbnailJpeg.slice(0, 2)], [0xff, 0xd8]);
      const age = Date.now() / 1000 - Number(image.addTime.seconds);
      assert.ok(Math.abs(age) < 600, String(age));
    });

    await check(`${name}: an error has code, reason and fields`, async () => {
      const error = await rejection(client.addImage({ tags: [1, 2, 3] }, options));
      assert.equal(error.code, Code.InvalidArgument);
      const [info] = error.findDetails(registry.getMessage("google.rpc.ErrorInfo"));
      assert.equal(info.reason, "MISSING_PARAMETER");
      const [invalid] = error.findDetails(registry.getMessage("google.rpc.BadRequest"));
      assert.deepEqual(invalid.fieldViolations.map(({ field }) => field), ["source", "tags"]);
    });

    await check(`${name}: a deadline that has passed is an error`, async () => {
      const passed = { headers: { "connect-timeout-ms": "0" } };
      const error = await rejection(client.getLibrary({}, passed));
      assert.equal(error.code, Code.DeadlineExceeded);
    });

    await check(`${name}: the server's stream has groups and its end`, async () => {
      for (const image of images.slice(1)) {
        const added = await client.addImage({ source: { case: "content", value: image } }, options);
        signs.push(added.contSign);
      }
      let compared;
      for await (const { event } of client.findDuplicates({}, options)) {
        if (event.case === "progress") compared = event.value.compared;
      }
      assert.equal(compared, BigInt(images.length));
    });

    await check(`${name}: an error of a stream has its details`, async () => {
      const events = client.findDuplicates({ minScore: 2 }, options)[Symbol.asyncIterator]();
      const error = await rejection(events.next());
      assert.equal(error.code, Code.InvalidArgument);
      const [invalid] = error.findDetails(registry.getMessage("google.rpc.BadRequest"));
      assert.equal(invalid.fieldViolations[0].field, "min_score");
    });

    if (name.startsWith("node HTTP/2")) {
      await check(`${name}: a bulk search sends and receives at the same time`, async () => {
        const searched = await bulkSearch(client, images, options);
        assert.deepEqual(searched.keys.sort(), images.map((_, index) => String(index)));
        assert.equal(searched.summary.matched, BigInt(images.length));
      });
    }

    await check(`${name}: all images can be deleted`, async () => {
      const target = { case: "contSigns", value: { values: signs } };
      const deleted = await client.deleteImages({ target }, options);
      assert.ok(deleted.results.every((result) => result.status.code === 0));
      const library = await client.getLibrary({}, options);
      assert.equal(library.imageCount, 0n);
    });
  }
}

function transports(baseUrl) {
  const { compressionGzip, createConnectTransport } = node;
  const sendCompression = compressionGzip;
  return {
    "node HTTP/1.1, JSON": createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
    "node HTTP/2, JSON in gzip": createConnectTransport({
      baseUrl, httpVersion: "2", useBinaryFormat: false, sendCompression, compressMinBytes: 0,
    }),
    "node HTTP/2, protobuf": createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
    "web, JSON": web.createConnectTransport({ baseUrl, useBinaryFormat: false }),
    "web, protobuf": web.createConnectTransport({ baseUrl, useBinaryFormat: true }),
  };
}

// Compiles the contract and the types of error details.
function contract(protoFolder) {
  const registries = [protoFolder, path.join(__dirname, "details")].map((folder) => {
    const buf = path.join(__dirname, "node_modules", ".bin", "buf");
    const compiled = execFileSync(buf, ["build", "--output", "-"], { cwd: folder, maxBuffer: 1 << 26 });
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, compiled));
  });
  return {
    getService: (name) => registries[0].getService(name),
    getMessage: (name) => registries[1].getMessage(name),
  };
}

async function bulkSearch(client, images, options) {
  const waiting = images.map((value, index) => ({ key: String(index), source: { case: "content", value } }));
  let proceed;
  async function* requests() {
    yield { payload: { case: "options", value: {} } };
    for (const item of waiting) {
      const received = new Promise((resolve) => (proceed = resolve));
      yield { payload: { case: "item", value: item } };
      await received;
    }
  }
  const keys = [];
  let summary;
  for await (const { event } of client.bulkSearchImages(requests(), options)) {
    if (event.case === "result") {
      keys.push(event.value.key);
      proceed();
    }
    if (event.case === "summary") summary = event.value;
  }
  return { keys, summary };
}

async function rejection(promise) {
  try {
    await promise;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call has succeeded");
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

main(...process.argv.slice(2)).then(() => process.exit());
