// Gateways that tests start, stop and kill.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { Client } from "samegate";

const LIMIT_MS = 60_000;
const BINARY = process.env.SAMEGATE_BINARY ?? "";

/** Waits until a condition holds. */
export async function until(condition) {
  const deadline = Date.now() + LIMIT_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${LIMIT_MS} ms: ${condition}`);
    await setTimeout(20);
  }
}

/**
 * Different free ports, below the ephemeral ones (Linux: 32768 and up), so that no connection uses
 * one before its server does, or while the server restarts.
 */
export async function freePorts(count) {
  const servers = [];
  while (servers.length < count) {
    const server = net.createServer().listen(15_000 + Math.floor(Math.random() * 15_000), "127.0.0.1");
    await once(server, "listening").then(() => servers.push(server), () => {});
  }
  const ports = servers.map((server) => /** @type {net.AddressInfo} */ (server.address()).port);
  for (const server of servers) server.close();
  return ports;
}

class Gateway {
  grpc = "";
  rest = "";
  admin = "";
  /** @type {any} */
  process;
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "samegate-node-"));

  /** A client with the key that may write; the test closes it at its end. */
  client(t, options = {}) {
    const client = new Client(this.grpc, { apiKey: "writer", ...options });
    t.after(() => client.close());
    return client;
  }

  async start() {
    const listen = ["--grpc", this.grpc, "--rest", this.rest, "--admin", this.admin];
    const log = fs.openSync(path.join(this.folder, "gateway.log"), "a");
    const command = ["serve", "--config", "samegate.toml", ...listen];
    this.process = spawn(BINARY, command, { cwd: this.folder, stdio: ["ignore", log, log] });
    fs.closeSync(log);
    await until(() => this.isReady());
  }

  async isReady() {
    if (this.process.exitCode !== null) {
      throw new Error(fs.readFileSync(path.join(this.folder, "gateway.log"), "utf8"));
    }
    return new Promise((resolve) => {
      const request = http.get(`http://${this.admin}/readyz`, { agent: false, timeout: 1000 });
      request.on("response", (response) => resolve(response.resume().statusCode === 200));
      request.on("error", () => resolve(false));
      request.on("timeout", () => request.destroy());
    });
  }

  /** Ends the process with a signal, and waits for its end. */
  async end(signal) {
    const ended = once(this.process, "exit");
    this.process.kill(signal);
    await ended;
  }
}

/** Starts a gateway with an embedded library and two keys; it ends with the test. */
export async function gateway(t, settings = "") {
  if (!BINARY) throw new Error("SAMEGATE_BINARY is the gateway to test with");
  const started = new Gateway();
  const addresses = (await freePorts(3)).map((port) => `127.0.0.1:${port}`);
  [started.grpc, started.rest, started.admin] = addresses;
  const digest = (key) => `"sha256:${createHash("sha256").update(key).digest("hex")}"`;
  const configuration = `
[libraries.default]
backend = "embedded"
data_dir = "data"
[tenants.shop]
libraries = ["default"]
api_keys = [${digest("writer")}]
read_keys = [${digest("reader")}]
${settings}`;
  fs.writeFileSync(path.join(started.folder, "samegate.toml"), configuration);
  t.after(async () => {
    if (started.process.exitCode === null && started.process.signalCode === null) await started.end("SIGKILL");
    fs.rmSync(started.folder, { recursive: true });
  });
  await started.start();
  return started;
}

/** Gathers what an async iterable yields. */
export async function all(iterable) {
  const gathered = [];
  for await (const each of iterable) gathered.push(each);
  return gathered;
}
