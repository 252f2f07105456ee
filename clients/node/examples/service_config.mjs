// Calls gateways with gRPC alone: retries are its own; of the package come only the messages. Makes one
// call for each line of its input, and prints its response or its error.
//
// Usage: service_config.mjs TARGET FILE
//
// TARGET is a name of all gateways, such as dns:///samegate-headless:50051; FILE is
// clients/service_config.json. `@grpc/grpc-js` has no health checks: a gateway that drains gets calls
// until it closes the connection.

import fs from "node:fs";
import readline from "node:readline";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpc from "@grpc/grpc-js";
import { pb } from "samegate";

const [target, file] = process.argv.slice(2);
const { input, output, parent, name } = pb.SameImageService.method.getLibrary;
const client = new grpc.Client(target, grpc.credentials.createInsecure(), {
  "grpc.service_config": fs.readFileSync(file, "utf8"),
  // What a service config cannot say. By default gRPC retries no request above 1 MiB, tries to connect
  // every 2 minutes, for which calls would wait, and sends no pings: a lost connection would hang.
  "grpc.per_rpc_retry_buffer_size": 64 * 1024 * 1024,
  "grpc.retry_buffer_size": 256 * 1024 * 1024,
  "grpc.max_reconnect_backoff_ms": 5_000,
  "grpc.keepalive_time_ms": 60_000,
});

function getLibrary() {
  // `waitForReady` of the file is not read.
  const metadata = new grpc.Metadata({ waitForReady: true });
  metadata.set("authorization", `Bearer ${process.env.SAMEGATE_API_KEY ?? ""}`);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      `/${parent.typeName}/${name}`,
      (message) => Buffer.from(toBinary(input, message)),
      (bytes) => fromBinary(output, bytes),
      create(input),
      metadata,
      (error, response) => (error ? reject(error) : resolve(response)),
    );
  });
}

for await (const _ of readline.createInterface({ input: process.stdin })) {
  try {
    console.log(`${(await getLibrary()).imageCount} images`);
  } catch (error) {
    console.log(String(error));
  }
}
client.close();
