// Validates objects of custom resources by their definitions.
//
// Usage: node check.mjs < OBJECTS.json
//
// Reads a list of objects, and prints a list with the errors of each. The models
// check types, formats and required fields, but accept unknown fields. The
// TypeScript compiler finds those, since each object is a literal of its type.

import { readFileSync } from "node:fs";
import ts from "typescript";

const PACKAGES = {
  "monitoring.coreos.com": "prometheus-operator",
  "gateway.networking.k8s.io": "gateway-api",
  "networking.istio.io": "istio",
  "security.istio.io": "istio",
};

async function main() {
  const objects = JSON.parse(readFileSync(0, "utf8"));
  const unknown = unknownFields(objects);
  const errors = [];
  for (const [index, object] of objects.entries()) {
    errors.push([...(await violations(object)), ...(unknown.get(index) ?? [])]);
  }
  console.log(JSON.stringify(errors));
}

function moduleOf(object) {
  const [group, version] = object.apiVersion.split("/");
  if (!(group in PACKAGES)) throw new Error(`no definitions of ${object.apiVersion}`);
  return `@kubernetes-models/${PACKAGES[group]}/${group}/${version}`;
}

async function violations(object) {
  const models = await import(moduleOf(object));
  if (!(object.kind in models)) return [`${object.apiVersion} has no ${object.kind}`];
  try {
    new models[object.kind](object).validate();
    return [];
  } catch (error) {
    return [error.message];
  }
}

// One program with one object per line, so that the line number is its index.
function unknownFields(objects) {
  const lines = objects.map((object) => {
    const type = `import("${moduleOf(object)}").I${object.kind}`;
    return `({ is: ${JSON.stringify(object)} }) satisfies { is: ${type} };`;
  });
  const file = new URL("objects.mts", import.meta.url).pathname;
  const options = {
    module: ts.ModuleKind.NodeNext,
    noEmit: true,
    skipLibCheck: true,
    strict: true,
    target: ts.ScriptTarget.ES2022,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (name) => name === file || fileExists(name);
  host.getSourceFile = (name, ...rest) =>
    name === file
      ? ts.createSourceFile(file, lines.join("\n"), ...rest)
      : getSourceFile(name, ...rest);
  const errors = new Map();
  for (const error of ts.getPreEmitDiagnostics(ts.createProgram([file], options, host))) {
    const message = ts.flattenDiagnosticMessageText(error.messageText, " ");
    if (error.file?.fileName !== file) throw new Error(message);
    const { line } = error.file.getLineAndCharacterOfPosition(error.start);
    errors.set(line, [...(errors.get(line) ?? []), message]);
  }
  return errors;
}

await main();
