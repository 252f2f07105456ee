// The package as others use it: packed, from ES modules, CommonJS and TypeScript.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const PACKAGE = fileURLToPath(new URL("..", import.meta.url));
const ROOT = path.join(PACKAGE, "..", "..");
const read = (...parts) => fs.readFileSync(path.join(...parts), "utf8");

/** What the code of the page is about, declared. */
const PAGE = `
import { readdir } from "node:fs/promises";
import { Client, pb, SamegateError } from "samegate";
declare const samegate: Client;
declare const key: string, privateKey: Buffer, ca: Buffer, cert: Buffer, picture: Buffer;
declare let sign: string;
declare function token(): Promise<string>;
declare function later(ms?: number): void;
declare function keep(cursor: string): void;
`;

function run(cwd, command, ...args) {
  const done = spawnSync(command, args, { cwd, encoding: "utf8" });
  assert.equal(done.status, 0, `${command} ${args.join(" ")}: ${done.error ?? done.stdout + done.stderr}`);
  return done.stdout;
}

/** Packs the package, once for all tests. */
const archive = (() => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "samegate-packed-"));
  test.after(() => fs.rmSync(folder, { recursive: true }));
  const printed = run(PACKAGE, "npm", "pack", "--silent", "--pack-destination", folder);
  return path.join(folder, printed.trim().split("\n").pop() ?? "");
})();

/** A folder of a package with this one installed; npm would need a registry. */
function consumer(t, type) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "samegate-consumer-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const modules = path.join(folder, "node_modules");
  fs.mkdirSync(path.join(modules, "samegate"), { recursive: true });
  run(folder, "tar", "-xf", archive, "--strip-components=1", "-C", "node_modules/samegate");
  for (const name of ["@bufbuild", "@grpc", "@types"]) {
    fs.symlinkSync(path.join(PACKAGE, "node_modules", name), path.join(modules, name));
  }
  fs.writeFileSync(path.join(folder, "package.json"), JSON.stringify({ type }));
  return folder;
}

test("ES modules and CommonJS import the packed package", (t) => {
  const folder = consumer(t, "commonjs");
  const names = "Client, SamegateError, pb, status";
  const use = `console.log(typeof Client, typeof SamegateError, pb.OnDuplicate.ACCEPT, status.OK);`;
  fs.writeFileSync(path.join(folder, "one.mjs"), `import { ${names} } from "samegate"; ${use}`);
  fs.writeFileSync(path.join(folder, "two.cjs"), `const { ${names} } = require("samegate"); ${use}`);
  for (const file of ["one.mjs", "two.cjs"]) {
    assert.equal(run(folder, "node", file), "function function 2 0\n");
  }
  const packed = fs.readdirSync(path.join(folder, "node_modules", "samegate")).sort();
  assert.deepEqual(packed, ["LICENSE", "README.md", "dist", "package.json"]);
});

test("the code of the page and of the README compiles, in both kinds of modules", (t) => {
  const folder = consumer(t, "module");
  const pages = [read(ROOT, "docs/clients/node.md"), read(PACKAGE, "README.md")].join("\n");
  const blocks = [...pages.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code);
  assert.ok(blocks.length >= 7, `${blocks.length}`);
  const scopes = blocks.map((code) => `await (async () => {\n${code.replace(/^import .*$/gm, "")}})();\n`);
  fs.writeFileSync(path.join(folder, "page.mts"), PAGE + scopes.join(""));
  fs.writeFileSync(path.join(folder, "page.cts"), `${PAGE}void (async () => {\n${scopes.join("")}})();\n`);
  const tsc = path.join(PACKAGE, "node_modules", ".bin", "tsc");
  const strict = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--types", "node"];
  run(folder, tsc, ...strict, "page.mts", "page.cts");
});

test("the version is that of the gateway", () => {
  const version = read(ROOT, "Cargo.toml").match(/^version = "(.*)"$/m)?.[1];
  assert.equal(JSON.parse(read(PACKAGE, "package.json")).version, version);
});

test("the generated messages are those of the contract", (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "samegate-stubs-"));
  t.after(() => fs.rmSync(folder, { recursive: true }));
  const buf = process.env.BUF ?? path.join(ROOT, "tests/clients/node/node_modules/.bin/buf");
  run(ROOT, buf, "generate", "--template", "clients/node/buf.gen.yaml", "--output", folder);
  const files = (/** @type {string} */ root) =>
    fs.readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts")).sort();
  const [made, kept] = [path.join(folder, "clients/node/src/gen"), path.join(PACKAGE, "src/gen")];
  assert.deepEqual(files(kept), files(made));
  for (const name of files(made)) assert.equal(read(kept, name), read(made, name), `make stubs: ${name} is another`);
});
