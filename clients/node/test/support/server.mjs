// Servers that respond as a test says.

import { createRequire } from "node:module";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack, durationFromMs } from "@bufbuild/protobuf/wkt";
import grpc from "@grpc/grpc-js";
import { pb } from "samegate";

// Messages that the package does not export.
const require = createRequire(import.meta.url);
const { ErrorInfoSchema, RetryInfoSchema } = require("../../dist/gen/google/rpc/error_details_pb.js");
const { StatusSchema } = require("../../dist/gen/google/rpc/status_pb.js");

/** Starts a server with some methods of the contract, given as handlers of grpc-js; returns its address. */
export async function serve(t, handlers) {
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  const service = {};
  for (const name of Object.keys(handlers)) {
    const { input, output, methodKind, parent, name: rpc } = pb.SameImageService.method[name];
    service[name] = {
      path: `/${parent.typeName}/${rpc}`,
      requestStream: methodKind === "bidi_streaming",
      responseStream: methodKind !== "unary",
      requestDeserialize: (bytes) => fromBinary(input, bytes),
      responseSerialize: (message) => Buffer.from(toBinary(output, create(output, message))),
    };
  }
  server.addService(service, handlers);
  const port = await new Promise((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  t.after(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

/**
 * Starts a server whose calls fail as `failures` says, one after the other, and succeed then. Without a
 * reason a failure is a proxy's; of a gateway that gives no wait, a retry does not help.
 *
 * @param {{ code: grpc.status, reason?: string, waitMs?: number, pushback?: string }[]} failures
 * @returns its address, and the times of the calls
 */
export async function failing(t, failures) {
  const times = /** @type {number[]} */ ([]);
  const handle = (_, done) => {
    const failure = failures[times.push(performance.now()) - 1];
    if (!failure) return done(null, {});
    const { code, reason, waitMs, pushback } = failure;
    const details = [];
    if (reason) details.push(anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason })));
    if (waitMs !== undefined) details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: durationFromMs(waitMs) })));
    const metadata = new grpc.Metadata();
    const packed = toBinary(StatusSchema, create(StatusSchema, { code, details }));
    metadata.set("grpc-status-details-bin", Buffer.from(packed));
    if (pushback) metadata.set("grpc-retry-pushback-ms", pushback);
    done({ code, details: "as the test says", metadata });
  };
  return { target: await serve(t, { addImage: handle, searchImages: handle }), times };
}
