// Servers that answer as a test says.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import grpc from "@grpc/grpc-js";
import { pb } from "samegate";

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
 * Starts a server whose calls fail as `failures` says, one after the other, and succeed then.
 *
 * @param {{ code: grpc.status, pushback?: string }[]} failures
 * @returns its address, and the times of the calls
 */
export async function failing(t, failures) {
  const times = /** @type {number[]} */ ([]);
  const handle = (_, done) => {
    const failure = failures[times.push(performance.now()) - 1];
    if (!failure) return done(null, {});
    const metadata = new grpc.Metadata();
    if (failure.pushback) metadata.set("grpc-retry-pushback-ms", failure.pushback);
    done({ code: failure.code, details: "as the test says", metadata });
  };
  return { target: await serve(t, { addImage: handle, searchImages: handle }), times };
}
