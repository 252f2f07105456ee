// Calls a gateway that asks for a client certificate; the certificate names the tenant.
//
// Usage: mtls.mjs HOST:PORT CA_FILE CERTIFICATE_FILE KEY_FILE

import fs from "node:fs";
import { Client } from "samegate";

const [target, ...files] = process.argv.slice(2);
const [ca, cert, key] = files.map((file) => fs.readFileSync(file));
const samegate = new Client(target, { tls: { ca, cert, key } });

for (const { library } of await samegate.libraries()) console.log(library);
samegate.close();
