// Runs the script of /verify outside a browser: one job a line in, `{"bundle": path, "kept": {…}}`; one result a line out.
import { openAsBlob, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { runInThisContext } from "node:vm";

runInThisContext(readFileSync(process.argv[2], "utf8"), { filename: process.argv[2] });
for await (const line of createInterface({ input: process.stdin })) {
  const { bundle, kept } = JSON.parse(line);
  const receipts = kept.receipts.map((path) => ({ name: path, bytes: new Uint8Array(readFileSync(path)) }));
  const result = await globalThis.countersign.verify(await openAsBlob(bundle), { ...kept, receipts });
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
