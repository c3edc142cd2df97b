// /verify: a bundle is checked here, in the visitor's browser. The page's policy lets this script send nothing to anybody.
// What it checks, and what only `countersign verify` does, is what STEPS says. Formats: docs/auditor.md, C2SP, RFC 6962.
"use strict";
(() => {
  const MiB = 1 << 20;
  const MOST_FILE = 256 * MiB;
  const MOST_UNPACKED = 512 * MiB;
  const MOST_SMALL = 2 * MiB;
  const BATCH = 2048;
  const STEPS = [
    ["form", "The file itself", "Zip, lists of files and their hashes, seal"],
    ["root", "1. Log rebuilt from its entries", "Every entry in its one form, root hash or proofs"],
    ["signatures", "2. Signatures, witnesses, receipts", "Checkpoint, list of files, cosignatures, mails you kept"],
    ["parts", "3. Names, reasons and evidence", "Each against the hash that its entry holds"],
    ["replay", "4. Rules replayed", "Only the command line does this"],
    ["countersigned", "5. Countersignatures", "Signature, nonce and statement of each; who was an approver then: command line"],
    ["derived", "6. Provider, people and policy", "Enrolment code and registration; the rest: command line"],
    ["clocks", "7. Times", "Against the clocks of the provider and the witnesses"],
  ]; // 8 is the report itself

  /** The file is not a bundle as it is made; the message says why, in plain words. */
  class Unreadable extends Error {}
  /** Something that does not hold; becomes a finding. */
  class Fault extends Error {}

  const fail = (words) => { throw new Fault(words); };
  const refuse = (words) => { throw new Unreadable(words); };

  // --- bytes ---------------------------------------------------------------------------------------------------------

  const utf8 = new TextEncoder();
  const bytesOf = (text) => utf8.encode(text);
  const textOf = (bytes) => {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return fail("is not UTF-8");
    }
  };
  const same = (a, b) => a.length === b.length && a.every((byte, place) => byte === b[place]);
  const concat = (...parts) => {
    const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
    parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
    return whole;
  };
  const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  const base64 = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  const base64url = (bytes) => base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  const unbase64 = (text) => {
    const bytes = /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0
      ? Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)) : fail("is not base64");
    return base64(bytes) === text ? bytes : fail("is not base64 in its one form");
  };
  const unbase64url = (text) => {
    const bytes = /^[A-Za-z0-9_-]*$/.test(text) && text.length % 4 !== 1
      ? unbase64(text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4)) : fail("is malformed");
    return bytes;
  };
  const shaName = async (bytes) => `sha256:${hex(await sha256(bytes))}`;
  const inBatches = async (items, work) => {
    const done = [];
    for (let start = 0; start < items.length; start += BATCH) {
      done.push(...await Promise.all(items.slice(start, start + BATCH).map(work)));
    }
    return done;
  };

  // --- canonical JSON (RFC 8785, our subset) -------------------------------------------------------------------------

  const canonical = (value, depth = 32) => {
    if (typeof value === "string") return value.isWellFormed() ? JSON.stringify(value) : fail("is not canonical JSON");
    if (value === null || typeof value === "boolean") return String(value);
    if (typeof value === "number") {
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : fail("is not canonical JSON");
    }
    if (depth === 0) return fail("is nested too deeply");
    if (Array.isArray(value)) return `[${value.map((each) => canonical(each, depth - 1)).join(",")}]`;
    const members = Object.keys(value).sort().map((key) => `${canonical(key)}:${canonical(value[key], depth - 1)}`);
    return `{${members.join(",")}}`;
  };
  const decode = (text) => {
    let value;
    try {
      value = JSON.parse(text);
    } catch {
      return fail("is not JSON");
    }
    const object = typeof value === "object" && value !== null && !Array.isArray(value);
    return object && canonical(value) === text ? value : fail("is not a canonical JSON object");
  };
  const equal = (a, b) => canonical(a ?? null) === canonical(b ?? null);
  const fieldsAre = (value, names) => Object.keys(value).sort().join(" ") === names;

  // --- the zip: every header is the one the profile gives, members lie end to end --------------------------------------

  const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
    return n >>> 0;
  });
  const crc32 = (bytes) => {
    let crc = 0xffffffff;
    for (let at = 0; at < bytes.length; at += 1) crc = CRC[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
  };
  const little = (...fields) => {
    const bytes = [];
    for (const [width, value] of fields) for (let at = 0; at < width; at += 1) bytes.push(Math.floor(value / 2 ** (8 * at)) % 256);
    return Uint8Array.from(bytes);
  };
  const GOOD_NAME = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9._-]+(?:\/[A-Za-z0-9._-]+)*$/;

  const readZip = (data) => {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const end = data.length - 22;
    if (end < 0) refuse("it is not a zip file");
    const [count, size, offset] = [view.getUint16(end + 10, true), view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
    const wanted = little([4, 0x06054b50], [4, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]);
    if (!same(data.subarray(end), wanted)) refuse("the end of the zip file is not of its form");
    if (count === 0xffff) refuse("it holds more files than this page reads; the command line reads it");
    if (offset + size !== end) refuse("the zip file has bytes that belong to no file");
    return members(data, view, count, offset);
  };
  const members = (data, view, count, stop) => {
    const found = new Map();
    let [at, place, unpacked] = [stop, 0, 0];
    for (let n = 0; n < count; n += 1) {
      if (at + 46 > data.length) refuse("the directory of the zip file is broken");
      const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
      const [crc, packed, size] = [16, 20, 24].map((field) => view.getUint32(at + field, true));
      const raw = data.subarray(at + 46, at + 46 + view.getUint16(at + 28, true));
      const name = String.fromCharCode(...raw.subarray(0, 256));
      if (!GOOD_NAME.test(name) || name.length > 255 || found.has(name)) refuse("a file in it has a bad name, or stands twice");
      if (![0, 8].includes(flags) || ![0, 8].includes(method)) refuse(`${name} is packed in a way that is not of its form`);
      const tail = [[2, flags], [2, method], [2, 0], [2, 0x21]];
      const sizes = [[4, crc], [4, packed], [4, size]];
      const central = concat(little([4, 0x02014b50], [2, 0x0314], [2, 20], ...tail, ...sizes, [2, raw.length], [4, 0], [4, 0],
        [4, 0o600 * 65536], [4, place]), raw);
      const known = flags ? [[4, 0], [4, 0], [4, 0]] : sizes;
      const local = concat(little([4, 0x04034b50], [2, 20], ...tail, ...known, [2, raw.length], [2, 0]), raw);
      const after = flags ? little([4, 0x08074b50], ...sizes) : new Uint8Array();
      const start = place + local.length;
      const parts = [[at, central], [place, local], [start + packed, after]];
      if (!parts.every(([from, bytes]) => same(data.subarray(from, from + bytes.length), bytes))) {
        refuse(`a header of ${name} is not of its form`);
      }
      if (method === 0 && packed !== size) refuse(`${name} has two sizes`);
      if (size > MiB && size > 250 * packed) refuse(`${name} is packed more than 250 to 1`);
      unpacked += size;
      if (unpacked > MOST_UNPACKED) refuse("it unpacks to more than this page reads; the command line reads it");
      found.set(name, { name, method, crc, size, offset: place, packed: data.subarray(start, start + packed) });
      [at, place] = [at + central.length, start + packed + after.length];
    }
    if (place !== stop || at !== data.length - 22) refuse("the zip file has bytes that belong to no file");
    return found;
  };
  const unpack = async (member) => {
    let bytes = member.packed;
    if (member.method === 8) {
      bytes = new Uint8Array(member.size);
      let at = 0;
      try {
        for await (const piece of streamed(new Blob([member.packed]).stream().pipeThrough(new DecompressionStream("deflate-raw")))) {
          if (at + piece.length > member.size) refuse(`${member.name} is longer than it says`);
          bytes.set(piece, at);
          at += piece.length;
        }
      } catch (error) {
        refuse(error instanceof Unreadable ? error.message : `${member.name} cannot be unpacked`);
      }
      if (at !== member.size) refuse(`${member.name} is shorter than it says`);
    }
    return crc32(bytes) === member.crc ? bytes : refuse(`${member.name} differs from its checksum`);
  };
  async function* streamed(stream) {
    const reader = stream.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) yield piece.value;
  }

  // --- the bundle: files, manifests, seal ------------------------------------------------------------------------------

  const TAGS = ["README.txt", "bag-info.txt", "bagit.txt", "manifest-sha256.txt"];
  const [TAG_LIST, TAG_SIGNATURE] = ["tagmanifest-sha256.txt", "tagmanifest-sha256.txt.sig"];
  const PAYLOAD = new RegExp("^data/(?:entries\\.jsonl|private\\.jsonl|checkpoint|export\\.json|verifier-keys\\.txt"
    + "|evidence/[0-9a-f]{64}|vendor/(?:entries\\.jsonl|checkpoint)|(?:vendor/)?proof/(?:0|[1-9][0-9]{0,15})\\.tlog-proof)$");

  const openBundle = async (file, found) => {
    if (file.size > MOST_FILE) refuse("it is larger than 256 MiB, which this page does not read; the command line reads it");
    const data = new Uint8Array(await file.arrayBuffer());
    const zip = readZip(data);
    const files = new Map();
    for (const [name, member] of zip) files.set(name, await unpack(member));
    for (const name of [...TAGS, TAG_LIST, TAG_SIGNATURE, "data/entries.jsonl", "data/private.jsonl", "data/checkpoint", "data/export.json"]) {
      if (!files.has(name)) refuse(`${name} is missing`);
    }
    const tags = manifest(files.get(TAG_LIST), TAG_LIST);
    if ([...tags.keys()].join(" ") !== TAGS.join(" ")) refuse(`${TAG_LIST} does not list the tag files`);
    const listed = manifest(files.get("manifest-sha256.txt"), "manifest-sha256.txt");
    const payload = [...files.keys()].filter((name) => !TAGS.includes(name) && name !== TAG_LIST && name !== TAG_SIGNATURE);
    const odd = payload.find((name) => !listed.has(name) || !PAYLOAD.test(name)) ?? [...listed.keys()].find((name) => !files.has(name));
    if (odd !== undefined) refuse(`${odd} is in the list of files or in the bundle, but not in both`);
    await checkSeal(data, zip, files);
    for (const [name, digest] of [...tags, ...listed]) {
      if (hex(await sha256(files.get(name))) !== digest) found("form", null, `${name} is not what the list of files says`);
    }
    return files;
  };
  const manifest = (bytes, name) => {
    const listed = new Map();
    let last = "";
    for (const line of textLines(bytes, name)) {
      const match = /^([0-9a-f]{64}) {2}([A-Za-z0-9._/-]{1,255})$/.exec(line);
      if (match === null || match[2] <= last) refuse(`a line of ${name} is not of its form`);
      last = match[2];
      listed.set(last, match[1]);
    }
    return listed;
  };
  const textLines = (bytes, name) => {
    if (bytes.at(-1) !== 10 || bytes.some((byte) => byte > 127)) refuse(`${name} is not lines of text`);
    return textOf(bytes.subarray(0, -1)).split("\n");
  };
  const checkSeal = async (data, zip, files) => {
    if (textOf(files.get("bagit.txt")) !== "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n") refuse("it is no bag of BagIt 1.0");
    const stop = zip.get("bag-info.txt").offset;
    const lines = textLines(files.get("bag-info.txt"), "bag-info.txt");
    const labels = lines.map((line) => /^([A-Za-z0-9-]{1,64}): [ -~]{1,512}$/.exec(line)?.[1] ?? refuse("bag-info.txt is not of its form"));
    if (new Set(labels).size !== labels.length) refuse("bag-info.txt is not of its form");
    const seal = lines[labels.indexOf("Zip-Members-SHA256")]?.split(": ")[1];
    const loose = [...zip.values()].some((member) => member.offset >= stop && member.method !== 0);
    if (seal !== undefined && (loose || seal !== hex(await sha256(data.subarray(0, stop))))) {
      refuse("it was changed after it was sealed");
    }
  };

  // --- tree, proofs (RFC 6962, RFC 9162), notes and keys (C2SP) ----------------------------------------------------------

  const leafHash = (leaf) => sha256(concat([0], leaf));
  const nodeHash = (left, right) => sha256(concat([1], left, right));
  const rootOf = async (hashes) => {
    let level = hashes;
    if (level.length === 0) return sha256(new Uint8Array());
    while (level.length > 1) {
      const pairs = level.filter((_, place) => place % 2 === 0).map((left, place) => [left, level[2 * place + 1]]);
      level = await inBatches(pairs, ([left, right]) => (right === undefined ? left : nodeHash(left, right)));
    }
    return level[0];
  };
  const included = async (index, size, hash, proof, root) => {
    let [node, last, computed] = [index, size - 1, hash];
    if (index >= size) fail("is the proof of an entry beyond the log");
    for (const sibling of proof) {
      if (last === 0) fail("has a proof that is too long");
      if (node % 2 === 1 || node === last) {
        computed = await nodeHash(sibling, computed);
        while (node % 2 === 0 && node > 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
      } else {
        computed = await nodeHash(computed, sibling);
      }
      [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    }
    if (last !== 0 || !same(computed, root)) fail("is not shown by its proof to be in the log");
  };
  const readProof = (bytes, checkpoint) => {
    const [head, note] = [bytes.subarray(0, bytes.length - checkpoint.length), bytes.subarray(-checkpoint.length)];
    const match = /^c2sp\.org\/tlog-proof@v1\nindex (0|[1-9][0-9]{0,15})\n((?:[A-Za-z0-9+/]{43}=\n){0,63})\n$/.exec(textOf(head));
    if (match === null || !same(note, checkpoint)) fail("has no proof over this checkpoint");
    return { index: Number(match[1]), hashes: match[2].split("\n").slice(0, -1).map(unbase64) };
  };
  const NAME = "[^\\s+\\u0000-\\u001f\\u007f-\\u009f]+";
  const readNote = (bytes) => {
    if (bytes.length > MiB) fail("is no signed note");
    const whole = textOf(bytes);
    const split = whole.lastIndexOf("\n\n");
    // eslint-disable-next-line no-control-regex
    if (split < 0 || !whole.endsWith("\n") || /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(whole)) fail("is no signed note");
    const lines = whole.slice(split + 2, -1).split("\n");
    if (lines.length > 100) fail("is no signed note");
    const signatures = lines.map((line) => {
      const match = new RegExp(`^— (${NAME}) (\\S+)$`, "u").exec(line) ?? fail("is no signed note");
      const blob = unbase64(match[2]);
      if (blob.length < 5) fail("is no signed note");
      return { name: match[1], id: hex(blob.subarray(0, 4)), payload: blob.subarray(4) };
    });
    return { text: whole.slice(0, split + 1), signatures };
  };
  const readCheckpoint = (bytes) => {
    const note = readNote(bytes);
    const match = new RegExp(`^(${NAME})\\n(0|[1-9][0-9]{0,15})\\n([A-Za-z0-9+/]{43}=)\\n$`, "u").exec(note.text) ?? fail("is no checkpoint");
    return { note, origin: match[1], size: Number(match[2]), root: unbase64(match[3]) };
  };
  /** `kind`: 1 a log's key, 4 a witness's. */
  const readKey = async (text) => {
    const match = new RegExp(`^(${NAME})\\+([0-9a-f]{8})\\+(\\S+)$`, "u").exec(text) ?? fail("is no verifier key");
    const encoded = unbase64(match[3]);
    const id = hex((await sha256(concat(bytesOf(`${match[1]}\n`), encoded))).subarray(0, 4));
    if (encoded.length !== 33 || id !== match[2] || ![1, 4].includes(encoded[0])) fail("is no verifier key");
    return { name: match[1], id, kind: encoded[0], public: encoded.subarray(1), text };
  };
  const readKeys = async (text) => Promise.all(text.split(/\s+/).filter(Boolean).map(readKey));
  const ed25519 = async (key, message, signature) => {
    const imported = await crypto.subtle.importKey("raw", key.public, "Ed25519", false, ["verify"]);
    return crypto.subtle.verify("Ed25519", imported, signature, message);
  };
  const madeBy = (key, each) => each.name === key.name && each.id === key.id;
  /** Fails unless some of the keys have signed, and none falsely. */
  const signedBy = async (note, keys, what) => {
    const made = keys.flatMap((key) => note.signatures.filter((each) => madeBy(key, each)).map((each) => [key, each]));
    if (made.length === 0) fail(`${what} is signed by none of the keys known`);
    for (const [key, each] of made) {
      if (!await ed25519(key, bytesOf(note.text), each.payload)) fail(`${what} has a signature that does not hold`);
    }
  };
  /** One given has to have signed, where any was given; else one that the vendor's log tells of. */
  const judgeSigned = async (note, keys, what) => {
    const known = new Map([...keys.given, ...keys.told].map((key) => [key.text, key]));
    if (known.size > 0) await signedBy(note, [...known.values()], what);
    if (keys.given.length > 0) await signedBy(note, keys.given, what);
    return [...known.values()];
  };
  const cosignedAt = async (note, witness) => {
    const times = [];
    for (const { payload } of note.signatures.filter((each) => madeBy(witness, each))) {
      if (payload.length !== 72) fail(`the cosignature of ${witness.name} does not hold`);
      const time = Number(new DataView(payload.buffer, payload.byteOffset).getBigUint64(0));
      const message = bytesOf(`cosignature/v1\ntime ${time}\n${note.text}`);
      if (!await ed25519(witness, message, payload.subarray(8))) fail(`the cosignature of ${witness.name} does not hold`);
      times.push(time);
    }
    return times;
  };

  // --- ID tokens (RFC 7515, 7517, 7638) ------------------------------------------------------------------------------------

  const HASHES = { 256: "SHA-256", 384: "SHA-384", 512: "SHA-512" };
  const CURVES = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };
  const PUBLIC = { RSA: ["n", "e"], EC: ["crv", "x", "y"], OKP: ["crv", "x"] };
  const algorithmOf = (name) => {
    const bits = name.slice(2);
    if (name === "EdDSA" || name === "Ed25519") return ["OKP", "Ed25519", { name: "Ed25519" }, { name: "Ed25519" }];
    if (CURVES[name]) return ["EC", CURVES[name], { name: "ECDSA", namedCurve: CURVES[name] }, { name: "ECDSA", hash: HASHES[bits] }];
    if (/^RS(256|384|512)$/.test(name)) {
      return ["RSA", undefined, { name: "RSASSA-PKCS1-v1_5", hash: HASHES[bits] }, { name: "RSASSA-PKCS1-v1_5" }];
    }
    if (/^PS(256|384|512)$/.test(name)) return ["RSA", undefined, { name: "RSA-PSS", hash: HASHES[bits] }, { name: "RSA-PSS", saltLength: bits / 8 }];
    return fail("is signed in a way that does not count");
  };
  const publicOf = (jwk) => {
    const names = ["kty", ...(Object.hasOwn(PUBLIC, jwk.kty) ? PUBLIC[jwk.kty] : fail("lies beside a key that is none"))];
    if (!names.every((name) => typeof jwk[name] === "string")) fail("lies beside a key that is none");
    return Object.fromEntries(names.map((name) => [name, jwk[name]]));
  };
  const thumbprint = async (jwk) => base64url(await sha256(bytesOf(canonical(publicOf(jwk)))));
  const loose = (bytes) => {
    const value = JSON.parse(textOf(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : fail("is malformed");
  };
  /** The claims of a token that this key has signed. */
  const openToken = async (token, jwk) => {
    const parts = typeof token === "string" && token.length <= 65536 ? token.split(".") : [];
    if (parts.length !== 3) fail("is malformed");
    const header = loose(unbase64url(parts[0]));
    if (["crit", "jwk", "jku", "x5u", "x5c", "b64", "cty", "enc", "zip"].some((name) => Object.hasOwn(header, name))) fail("has a header that does not count");
    if (![undefined, "JWT"].includes(header.typ)) fail("is a token of another kind");
    const [kty, curve, importing, verifying] = algorithmOf(String(header.alg));
    const key = publicOf(jwk);
    if (key.kty !== kty || key.crv !== curve || (jwk.use ?? "sig") !== "sig") fail("lies beside a key of another kind");
    if (kty === "RSA" && unbase64url(key.n).length < 256) fail("lies beside a key that is too short");
    const imported = await crypto.subtle.importKey("jwk", key, importing, false, ["verify"]);
    const holds = await crypto.subtle.verify(verifying, imported, unbase64url(parts[2]), bytesOf(`${parts[0]}.${parts[1]}`));
    return holds ? loose(unbase64url(parts[1])) : fail("has a signature that does not hold");
  };

  // --- mails ----------------------------------------------------------------------------------------------------------------

  /** The signed note in a mail as it was kept, or the bytes themselves where they are one. */
  const receiptIn = (bytes) => {
    const mail = Array.from(bytes.subarray(0, 32 * MiB), (byte) => String.fromCharCode(byte)).join("").replaceAll("\r\n", "\n");
    const places = [...mail.matchAll(/^(?:[!-9;-~]+:[^\n]*\n(?:[ \t][^\n]*\n)*)+\n/gm)]
      .filter(([head]) => /filename="?receipt\.checkpoint"?/i.test(head));
    if (places.length === 0) return mail.includes("\n\n\u00e2\u0080\u0094 ") ? bytes : fail("holds no receipt");
    if (places.length > 1) fail("holds more than one receipt");
    const [head] = places[0];
    const body = mail.slice(places[0].index + head.length).split(/^--/m)[0];
    if (!/^content-transfer-encoding:\s*base64\s*$/im.test(head)) fail("holds a receipt in another form; the command line reads it");
    return unbase64(body.replace(/\s+/g, ""));
  };

  // --- the checks -----------------------------------------------------------------------------------------------------------

  class Check {
    constructor(kept) {
      this.kept = kept;
      this.findings = [];
      this.found = Object.fromEntries(STEPS.map(([step]) => [step, ""]));
      this.grants = { approval: 0, implementation: 0, standing: 0 };
      this.seen = new Map();
      this.erasedParts = new Set();
      this.erasedEvidence = new Set();
      this.named = new Set();
      this.digests = new Map();
      this.newest = 0;
      this.signed = 0;
      this.cosigned = [];
      this.uncompared = 0;
    }

    find(step, index, words) {
      this.findings.push({ step, index, words });
    }

    /** What `work` gives; a fault of it becomes a finding. */
    async tried(step, index, work) {
      try {
        return await work();
      } catch (error) {
        if (error instanceof Unreadable) throw error;
        this.find(step, index, error instanceof Fault ? error.message : "cannot be checked: it is malformed");
        return undefined;
      }
    }

    async run(file) {
      this.files = await openBundle(file, (...finding) => this.find(...finding));
      this.found.form = `${this.files.size} files`;
      this.export = decodeFile(this.files, "data/export.json");
      if (!fieldsAre(this.export, "at by counts institution origin request software v") || this.export.v !== "countersign/export/1") {
        refuse("data/export.json is not of its form");
      }
      this.whole = this.export.request === null;
      this.private = this.files.get("data/private.jsonl").length > 0 || [...this.files.keys()].some((name) => name.startsWith("data/evidence/"));
      this.leaves = linesOf(this.files.get("data/entries.jsonl"));
      this.hashes = await inBatches(this.leaves, leafHash);
      await this.vendor();
      await this.signatures();
      await this.entries();
      await this.parts();
      await this.evidence();
      this.times();
      await this.opening();
    }

    /** The vendor's own log: keys of this log that it tells of, and the registration. */
    async vendor() {
      this.registered = null;
      const given = await readKeys(this.kept.vkey);
      this.given = given.filter((key) => key.kind === 1);
      this.witnesses = [...given, ...await readKeys(this.kept.witnesses)].filter((key) => key.kind === 4);
      this.keys = { given: this.given.filter((key) => key.name === this.export.origin), told: [] };
      if (this.given.length > 0 && this.keys.given.length === 0) this.find("signatures", null, "none of the keys given is of this log");
      if (this.files.has("data/vendor/entries.jsonl")) await this.tried("signatures", null, () => this.vendorLog());
    }

    async vendorLog() {
      const leaves = linesOf(this.files.get("data/vendor/entries.jsonl"));
      const entries = leaves.map((leaf) => readEntry(leaf));
      const told = entries.filter((entry) => entry.type === "key.added" && entry.data.use === "trail").map((entry) => entry.data.public);
      const keys = await Promise.all(told.map(readKey));
      this.keys.told = keys.filter((key) => key.name === this.export.origin);
      this.registered = entries.find((entry) => entry.type === "institution.registered" && entry.data.code === this.export.institution)?.data.opened;
      const origin = entries[0]?.type === "trail.opened" ? entries[0].data.origin : fail("the vendor's log has no beginning");
      const bytes = this.files.get("data/vendor/checkpoint") ?? fail("the vendor's log has no checkpoint");
      const head = readCheckpoint(bytes);
      if (head.origin !== origin || entries.some((entry) => entry.institution !== "VENDOR")) fail("the vendor's entries are of another log");
      const own = { given: this.given.filter((key) => key.name === origin), told: keys.filter((key) => key.name === origin) };
      await judgeSigned(head.note, own, "the vendor's checkpoint");
      for (const [place, entry] of entries.entries()) {
        await this.proved(`data/vendor/proof/${entry.index}.tlog-proof`, bytes, head, entry.index, await leafHash(leaves[place]));
      }
    }

    async proved(path, checkpoint, head, index, hash) {
      const proof = readProof(this.files.get(path) ?? fail("has no proof"), checkpoint);
      if (proof.index !== index) fail("has the proof of another entry");
      await included(index, head.size, hash, proof.hashes, head.root);
    }

    async signatures() {
      const bytes = this.files.get("data/checkpoint");
      this.head = await this.tried("signatures", null, () => this.ownCheckpoint(bytes, "the checkpoint"));
      await this.tried("signatures", null, async () => {
        const note = readNote(this.files.get(TAG_SIGNATURE));
        if (note.text !== textOf(this.files.get(TAG_LIST))) fail("the bundle's signature is of another list of files");
        const known = await judgeSigned(note, this.keys, "the bundle's signature");
        const foreign = note.signatures.some((each) => !known.some((key) => madeBy(key, each)));
        if (known.length > 0 && foreign) fail("a key that nobody knows has signed the bundle as well");
      });
      if (this.head) await this.tried("root", null, () => this.judgeRoot());
      if (this.head) await this.tried("signatures", null, () => this.judgeWitnesses());
      this.older = [];
      for (const receipt of this.kept.receipts) {
        await this.tried("signatures", null, () => this.judgeReceipt(receipt));
      }
    }

    async ownCheckpoint(bytes, what) {
      const head = readCheckpoint(bytes);
      if (head.origin !== this.export.origin) fail(`${what} is of another log`);
      await judgeSigned(head.note, this.keys, what);
      return head;
    }

    async judgeRoot() {
      if (!this.whole) return;
      if (this.head.size !== this.leaves.length) fail(`the checkpoint is of ${this.head.size} entries, there are ${this.leaves.length}`);
      if (!same(await rootOf(this.hashes), this.head.root)) fail("the entries are not those that the checkpoint was signed over");
    }

    async judgeWitnesses() {
      for (const witness of this.witnesses) {
        const times = await cosignedAt(this.head.note, witness);
        if (times.length === 0) fail(`${witness.name} has not cosigned the checkpoint`);
        this.cosigned.push(...times);
      }
    }

    async judgeReceipt({ name, bytes }) {
      let head;
      try {
        head = await this.ownCheckpoint(receiptIn(bytes), "its checkpoint");
      } catch (error) {
        fail(`${name}: ${error.message}`);
      }
      if (this.head && head.size > this.head.size) fail(`${name} is of ${head.size} entries, the bundle of ${this.head.size}: entries were removed`);
      if (this.head && head.size === this.head.size && !same(head.root, this.head.root)) fail(`${name} is of other entries`);
      if (this.whole && !same(await rootOf(this.hashes.slice(0, head.size)), head.root)) {
        fail(`${name} is of other entries: before ${head.size}, something was rewritten`);
      }
      if (this.whole || head.size === this.head?.size) this.older.push(head);
      else this.uncompared += 1;
    }

    /** One pass: form, order, proofs, and what later checks need. */
    async entries() {
      let last = null;
      const indexes = new Set();
      this.list = [];
      for (const [place, leaf] of this.leaves.entries()) {
        const entry = await this.tried("root", this.whole ? place : null, () => readEntry(leaf));
        if (entry === undefined) continue;
        this.list.push(entry);
        indexes.add(entry.index);
        await this.tried("root", entry.index, async () => {
          if (entry.institution !== this.export.institution) fail("is an entry of another institution");
          if (this.whole ? entry.index !== place : last !== null && entry.index <= last.index) fail("does not stand where its index says");
          if (last !== null && entry.at < last.at) fail("is earlier than the one before");
          if (!this.whole && this.head) {
            await this.proved(`data/proof/${entry.index}.tlog-proof`, this.files.get("data/checkpoint"), this.head, entry.index, this.hashes[place]);
          }
        });
        last = entry;
        await this.tried("root", entry.index, () => this.learn(entry, leaf));
      }
      const stray = [...this.files.keys()].find((name) => /^data\/proof\//.test(name) && !indexes.has(Number(/\d+/.exec(name)[0])));
      if (stray !== undefined) this.find("root", null, `${stray} is the proof of no entry there is`);
      this.last = last;
      await this.tried("root", last?.index ?? null, () => this.judgeExport(last));
    }

    async learn(entry, leaf) {
      if (entry.type === "request.created") this.digests.set(entry.subject, await shaName(leaf));
      if (entry.type === "request.approved" && Object.hasOwn(this.grants, entry.data.ground)) this.grants[entry.data.ground] += 1;
      if (entry.type === "private.erased") entry.data.indexes.forEach((index) => this.erasedParts.add(index));
      if (entry.type === "evidence.erased") entry.data.digests.forEach((digest) => this.erasedEvidence.add(digest));
      (entry.data.evidence ?? []).forEach((digest) => this.named.add(digest));
    }

    judgeExport(last) {
      if (last?.type !== "trail.exported" || last.data.format !== "bundle") fail("is the last entry, and not this export's");
      if (this.head && last.index !== this.head.size - 1) fail("is the export's, and the checkpoint does not end with it");
      const said = { at: last.at, by: last.actor, institution: last.institution, request: last.data.request };
      for (const [name, value] of Object.entries(said)) if (!equal(value, this.export[name])) fail(`tells another ${name} than export.json`);
      if (last.data.with_private !== this.private) fail("says something else of private parts and evidence than the bundle shows");
      if (this.export.counts.entries !== this.leaves.length) fail("counts other entries in export.json than there are");
    }

    async parts() {
      if (!this.private) return;
      const lines = linesOf(this.files.get("data/private.jsonl"));
      const wanted = new Map(this.list.filter((entry) => entry.private !== undefined).map((entry) => [entry.index, entry.private]));
      let [before, there] = [-1, 0];
      const salts = new Set();
      for (const line of lines) {
        const part = await this.tried("parts", null, () => {
          const read = decode(textOf(line));
          if (!Number.isSafeInteger(read.index) || read.index <= before || !wanted.has(read.index)) {
            fail("private.jsonl has a part that no entry has");
          }
          return read;
        });
        if (part === undefined) continue;
        before = part.index;
        await this.tried("parts", part.index, () => this.judgePart(part, wanted.get(part.index), salts));
        wanted.delete(part.index);
        there += part.erased === true ? 0 : 1;
      }
      if (wanted.size > 0) this.find("parts", Math.min(...wanted.keys()), "has no private part in the bundle");
      const erased = lines.length - there;
      this.found.parts = `${there} private parts${erased ? `, ${erased} erased` : ""}`;
    }

    async judgePart({ index, ...part }, commitment, salts) {
      if (part.erased === true && fieldsAre(part, "erased")) {
        if (!this.erasedParts.has(index)) fail("had its private part taken away, and no entry says so");
        return;
      }
      if (!fieldsAre(part, "fields salt") || salts.has(part.salt)) fail("has a private part that is not of its form");
      salts.add(part.salt);
      if (await shaName(bytesOf(canonical(part))) !== commitment) fail("has a private part that is not what it commits to");
    }

    async evidence() {
      if (!this.private) return;
      const prefix = "data/evidence/";
      this.blobs = new Map();
      for (const [name, bytes] of this.files) {
        if (!name.startsWith(prefix)) continue;
        const digest = `sha256:${name.slice(prefix.length)}`;
        if (await shaName(bytes) !== digest) this.find("parts", null, `${name} is not what its name says`);
        if (!this.named.has(digest)) this.find("parts", null, `${name} is named by no entry`);
        this.blobs.set(digest, bytes);
      }
      for (const entry of this.list) {
        const gone = (entry.data.evidence ?? []).find((digest) => !this.blobs.has(digest) && !this.erasedEvidence.has(digest));
        if (gone !== undefined) this.find("parts", entry.index, `relies on evidence that is not in the bundle: ${gone}`);
      }
      this.found.parts += `, ${this.blobs.size} pieces of evidence`;
      for (const entry of this.list) await this.tried("countersigned", entry.index, () => this.judgeSignIns(entry));
    }

    /** Each sign-in behind an entry, under the provider that the entries before it tell of. */
    async judgeSignIns(entry) {
      const blobs = (entry.data.evidence ?? []).filter((digest) => this.blobs.has(digest)).map((digest) => decode(textOf(this.blobs.get(digest))));
      let statements = 0;
      for (const blob of blobs) {
        if (blob.v === "countersign/input/1") continue;
        const claims = await openToken(blob.id_token, blob.jwk);
        if (blob.v === "countersign/countersignature/1") {
          statements += 1;
          await this.judgeStatement(entry, blob.statement, claims);
        } else if (blob.v !== "countersign/binding/1") fail("has evidence of a kind that nobody knows");
        if (entry.type !== "session.opened") await this.judgeKey(claims, blob.jwk);
        if (Number.isSafeInteger(claims.iat)) this.newest = Math.max(this.newest, claims.iat);
      }
      const erased = (entry.data.evidence ?? []).some((digest) => this.erasedEvidence.has(digest));
      if (entry.type === "decision.made" && entry.data.verdict === "approve" && statements !== 1 && !erased) fail("is an approval without its countersignature");
      this.signed += statements;
      if (entry.type === "trail.opened" || entry.type === "identity_provider.set") this.provider = entry.data.identity_provider;
      if (entry.type === "identity_provider.keys_seen") {
        this.seen.set(entry.data.issuer, new Set([...this.seen.get(entry.data.issuer) ?? [], ...entry.data.thumbprints]));
      }
    }

    async judgeStatement(entry, statement, claims) {
      const { at, data } = entry;
      const said = {
        "countersign/decision/1": { request: entry.subject, request_digest: this.digests.get(entry.subject), verdict: "approve", terms: data.terms },
        "countersign/standing/1": { standing: entry.subject, terms: pick(data, ["case", "environment", "roles", "max_window_minutes", "uses", "not_after"]) },
        "countersign/change/1": { change: data.change, type: entry.type, subject: entry.subject, data_digest: await changeDigest(entry) },
      }[statement.v] ?? fail("is countersigned by a statement that nobody knows");
      for (const [name, value] of Object.entries({ origin: this.export.origin, institution: this.export.institution, ...said })) {
        if (!equal(statement[name], value)) fail(`says another ${name} than what was signed`);
      }
      const nonce = base64url(await sha256(bytesOf(canonical(statement))));
      if (claims.nonce !== nonce) fail("has a sign-in that was made for another statement");
      if (claims.iss !== statement.iss || claims.sub !== statement.sub) fail("has the sign-in of somebody else");
      if (claims.iss !== this.provider?.issuer) fail("has a sign-in at another provider");
      const audience = this.provider.approval_client_id ?? this.provider.client_id;
      if (!equal(claims.aud, audience) && !equal(claims.aud, [audience])) fail("has a sign-in that was made for something else");
      const seconds = Date.parse(at) / 1000;
      if (!(claims.iat >= seconds - 660 && claims.iat <= seconds + 60 && claims.exp >= seconds - 60)) fail("has a sign-in of another time");
    }

    async judgeKey(claims, jwk) {
      const print = await thumbprint(jwk);
      if (this.kept.thumbprints !== null && !this.kept.thumbprints.has(print)) fail("has a sign-in by a key that is not among those you gave");
      if (!this.seen.get(claims.iss)?.has(print)) fail("has a sign-in by a key that the trail had not seen before");
    }

    times() {
      const last = this.last === null ? 0 : Date.parse(this.last.at) / 1000;
      if (this.cosigned.some((time) => time < last - 300)) this.find("clocks", this.last.index, "was cosigned more than 300 s before it was made");
      const shown = (seconds) => new Date(seconds * 1000).toISOString().replace(".000Z", " UTC").replace("T", " ");
      const parts = [];
      if (this.newest > 0) parts.push(`newest sign-in, by the provider’s clock: ${shown(this.newest)}`);
      if (this.cosigned.length > 0) parts.push(`cosigned ${shown(Math.max(...this.cosigned))}`);
      this.found.clocks = parts.join("; ");
    }

    async opening() {
      const first = this.list[0];
      if (first?.index !== 0 || first.type !== "trail.opened") {
        this.find("derived", 0, "is missing, or does not open the log");
        return;
      }
      const digest = await sha256(this.leaves[0]);
      this.code = checkCode(digest);
      const plain = (code) => code.replace(/[\s-]/g, "").toUpperCase();
      if (this.kept.enrolment !== "" && plain(this.kept.enrolment) !== plain(this.code)) this.find("derived", 0, "has another enrolment code than yours");
      if (this.files.has("data/vendor/entries.jsonl") && this.registered !== `sha256:${hex(digest)}`) {
        this.find("derived", 0, "is not the one that the vendor’s log registered");
      }
      if (first.data.origin !== this.export.origin) this.find("derived", 0, "tells another origin than export.json");
    }
  }

  const pick = (value, names) => Object.fromEntries(names.map((name) => [name, value[name] ?? null]));
  const changeDigest = async ({ data, private: commitment }) => {
    const { evidence: _, ...rest } = data;
    return shaName(bytesOf(canonical(commitment === undefined ? rest : { ...rest, private: commitment })));
  };
  const checkCode = (digest) => {
    let bits = 0n;
    for (const byte of digest.subarray(0, 10)) bits = bits * 256n + BigInt(byte);
    const letters = Array.from({ length: 16 }, (_, n) => "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"[Number((bits >> BigInt(75 - 5 * n)) & 31n)]);
    return letters.join("").replace(/(.{4})(?=.)/g, "$1-");
  };
  const linesOf = (bytes) => {
    const lines = [];
    for (let start = 0, end = bytes.indexOf(10); start < bytes.length; start = end + 1, end = bytes.indexOf(10, start)) {
      if (end < 0) refuse("the last line of a file has no end");
      if (end - start > MOST_SMALL) refuse("a line of a file is too long");
      lines.push(bytes.subarray(start, end));
    }
    return lines;
  };
  const FIELDS = "actor at data id index institution subject type v";
  const readEntry = (leaf) => {
    if (leaf.length > 65535) fail("is longer than an entry can be");
    const entry = decode(textOf(leaf));
    const { private: commitment, ...rest } = entry;
    const kinds = fieldsAre(rest, FIELDS) && entry.v === 1 && Number.isSafeInteger(entry.index) && /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z$/.test(entry.at);
    if (!kinds || (commitment !== undefined && !/^sha256:[0-9a-f]{64}$/.test(commitment)) || typeof entry.data !== "object" || entry.data === null) {
      fail("has not the fields of an entry");
    }
    return entry;
  };
  const decodeFile = (files, name) => {
    try {
      return decode(textOf(files.get(name)));
    } catch {
      return refuse(`${name} is not canonical JSON`);
    }
  };
  const keySet = async (texts) => {
    if (texts.length === 0) return null;
    const prints = new Set();
    for (const text of texts) {
      const { keys } = loose(bytesOf(text));
      if (!Array.isArray(keys) || keys.length > 100) fail("is not a key set");
      for (const key of keys) if (Object.hasOwn(PUBLIC, key?.kty)) prints.add(await thumbprint(key));
    }
    return prints;
  };

  // --- the result -----------------------------------------------------------------------------------------------------------

  /** Check a bundle (a Blob) against what was kept: texts `enrolment`, `vkey`, `witnesses`, `jwks`; `receipts` with name and bytes. */
  const verify = async (file, kept) => {
    const check = new Check({ ...kept });
    try {
      check.kept.thumbprints = await keySet(kept.jwks).catch(() => refuse("what you gave as keys of your provider is not a key set"));
      for (const [text, what] of [[kept.vkey, "verifier key"], [kept.witnesses, "witness key"]]) {
        await readKeys(text).catch(() => refuse(`what you gave as ${what} is none`));
      }
      await check.run(file);
    } catch (error) {
      return { verdict: "unreadable", error: error instanceof Unreadable ? error.message : "it is malformed" };
    }
    return report(check);
  };
  const report = (check) => {
    const { kept } = check;
    const missing = [
      [check.keys.given.length > 0, "That the log’s own key signed: add the verifier key that you noted."],
      [kept.enrolment !== "", "That this is the log of your institution: add the enrolment code from your letter."],
      [kept.thumbprints !== null, "That your provider signed: add its keys, from your IT department."],
      [check.private, "Who approved what: this bundle holds no private parts and no evidence."],
    ].filter(([holds]) => !holds).map(([, words]) => words);
    const { found } = check;
    found.root = `${check.leaves.length} entries${check.whole ? ", from the first to this export" : " about one request, each with its proof"}`;
    const receipts = check.older.length === 1 ? "1 receipt" : `${check.older.length} receipts`;
    found.signatures = `${check.keys.given.length ? "by your key" : "by a key told in the bundle"}, ${check.witnesses.length} witnesses given, ${receipts} contained`;
    found.countersigned = check.private ? `${check.signed} countersignatures, by keys ${kept.thumbprints ? "that you gave" : "found in the bundle"}` : "not in this bundle";
    found.parts = check.private ? found.parts : "not in this bundle";
    found.derived = check.code ? `enrolment code ${check.code}` : "";
    const steps = STEPS.map(([step, name, what]) => ({ step, name, what, found: found[step], state: stateOf(check, step) }));
    const verdict = check.findings.length ? "finding" : missing.length ? "not-anchored" : "fine";
    return {
      verdict, error: null, institution: check.export.institution, origin: check.export.origin, request: check.export.request,
      entries: check.leaves.length, findings: check.findings, missing, steps, grants: check.grants,
      receipts: check.older.length, uncompared: check.uncompared,
    };
  };
  const stateOf = (check, step) => {
    if (step === "replay") return "not here";
    if (check.findings.some((each) => each.step === step)) return "wrong";
    const given = {
      signatures: check.keys.given.length > 0,
      countersigned: check.private && check.kept.thumbprints !== null,
      parts: check.private,
      derived: check.kept.enrolment !== "",
    };
    return given[step] ?? true ? "fine" : "not anchored";
  };

  if (typeof document === "undefined") {
    globalThis.countersign = { verify, canonical, rootOf, leafHash, included, readNote, receiptIn, checkCode };
    return;
  }

  // --- the page ---------------------------------------------------------------------------------------------------------------

  const TAG = { fine: ["ok", "Fine"], wrong: ["no", "Does not hold"], "not anchored": ["wait", "Not anchored"], "not here": ["", "Not checked here"] };
  const PANEL = {
    fine: ["ok", "No finding. Anchored to what you gave."],
    finding: ["no", "This bundle does not hold"],
    "not-anchored": ["warn", "No finding, but not anchored"],
    unreadable: ["no", "This file cannot be read as a bundle"],
  };
  const LEAD = {
    fine: "What this page can check holds, by your own keys. The rules themselves are replayed only by the command line.",
    finding: "Something in it is not as it was made, or not as it should be. Keep the file, and tell your institution’s auditors.",
    "not-anchored": "The bundle agrees with itself. Without what you kept yourself, it may still have been made up as a whole.",
  };
  const el = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const cell = (tag, attributes, ...children) => el(tag, { role: tag === "th" ? "rowheader" : "cell", ...attributes }, ...children);
  const table = (label, heads, rows) => el("div", { class: "card flush" }, el("table", { class: "fold", role: "table", "aria-label": label },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, ...heads.map((head) => el("th", { scope: "col", role: "columnheader" }, head)))),
    el("tbody", { role: "rowgroup" }, ...rows.map((cells) => el("tr", { role: "row" }, ...cells)))));
  const section = (title, ...children) => el("section", { class: "stack" }, el("h2", {}, title), ...children);
  const list = (items) => el("ul", {}, ...items.map((words) => el("li", {}, words)));

  const shown = (result, name) => {
    const [tone, title] = PANEL[result.verdict];
    const lead = result.error === null ? LEAD[result.verdict] : `${name}: ${result.error}. Nothing in it can be relied on.`;
    const panel = el("div", { class: `panel ${tone}`, role: "status", id: "verdict", tabindex: "-1" }, el("h2", {}, title), el("p", { class: "lead" }, lead));
    if (result.error !== null) return [panel];
    const { findings, steps, missing, grants } = result;
    const parts = [panel, el("p", { class: "small muted" }, `${name}: ${result.institution}, log `, el("span", { class: "mono" }, result.origin))];
    if (findings.length > 0) {
      parts.push(section("Findings", table("Findings", ["Entry", "What is wrong"], findings.slice(0, 200).map((each) => [
        cell("td", { "data-l": "Entry:" }, each.index === null ? "–" : String(each.index)), cell("th", { scope: "row", class: "wrap-all" }, each.words)]))));
    }
    parts.push(section("What was checked", table("Checks", ["Check", "Found", "Result"], steps.map((each) => [
      cell("th", { scope: "row" }, each.name, el("br"), el("span", { class: "note" }, each.what)),
      cell("td", { "data-l": "Found:", class: "wrap-all" }, each.found || "–"),
      cell("td", { "data-l": "Result:" }, el("span", { class: `tag ${TAG[each.state][0]}` }, TAG[each.state][1]))]))));
    const given = el("dl", { class: "stats card" }, ...[["Approval", "approval"], ["Implementation", "implementation"], ["Standing approval", "standing"]].map(
      ([label, ground]) => el("div", {}, el("dt", {}, label), el("dd", {}, String(grants[ground])))));
    parts.push(section("Grants, as the entries tell them", given));
    const partly = result.request === null ? [] : ["That nothing was left out: a bundle about one request never shows that."];
    if (result.uncompared > 0) partly.push("What your receipts say: only a bundle of the whole trail can be compared with them.");
    parts.push(section("What this does not prove", list([...missing, ...partly, ...BEYOND])));
    parts.push(saving(result, name));
    return parts;
  };
  const BEYOND = [
    "That every grant, token and session followed from the rules: run countersign verify, which replays them.",
    "That nobody signed in around the gate. Only the environment’s own sign-in records show that.",
    "That your own provider and admins are honest.",
  ];
  const saving = (result, name) => {
    const text = `${JSON.stringify({ bundle: name, ...result }, null, 1)}\n`;
    const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    return el("p", {}, el("a", { href: url, download: `${name}.result.json` }, "Save this result (JSON)"));
  };
  const texts = (files) => Promise.all(Array.from(files, (file) => file.text()));
  const gather = async (form) => ({
    enrolment: form.enrolment.value.trim(),
    vkey: form.vkey.value,
    witnesses: form.witnesses.value,
    jwks: await texts(form.jwks.files),
    receipts: await Promise.all(Array.from(form.receipts.files, async (file) => ({ name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) }))),
  });

  const form = document.getElementById("check");
  const place = document.getElementById("result");
  form.hidden = false;
  document.getElementById("off").hidden = true;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [file] = form.bundle.files;
    if (file === undefined) return;
    const button = form.querySelector("button");
    button.disabled = true;
    place.replaceChildren(el("p", { role: "status" }, "Checking …"));
    place.replaceChildren(...shown(await verify(file, await gather(form)), file.name));
    button.disabled = false;
    document.getElementById("verdict").focus();
  });
})();
