// A server that fails as a test says.

import grpc from "@grpc/grpc-js";

const unchanged = (bytes) => bytes;
const method = (name) => ({
  path: `/samegate.v1.SameImageService/${name}`,
  requestStream: false,
  responseStream: false,
  requestSerialize: unchanged,
  requestDeserialize: unchanged,
  responseSerialize: unchanged,
  responseDeserialize: unchanged,
});

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
    if (!failure) return done(null, Buffer.alloc(0));
    const metadata = new grpc.Metadata();
    if (failure.pushback) metadata.set("grpc-retry-pushback-ms", failure.pushback);
    done({ code: failure.code, details: "as the test says", metadata });
  };
  const server = new grpc.Server({ "grpc.max_receive_message_length": -1 });
  server.addService({ add: method("AddImage"), search: method("SearchImages") }, { add: handle, search: handle });
  const port = await new Promise((resolve, reject) => {
    const credentials = grpc.ServerCredentials.createInsecure();
    server.bindAsync("127.0.0.1:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  t.after(() => server.forceShutdown());
  return { target: `127.0.0.1:${port}`, times };
}
