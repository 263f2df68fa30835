// A second implementation for tests/vectors/log, written from docs/protocol/log.md, witness.md and peers.md alone, for
// node.js without packages. Prints for each file what it says of each case, as JSON; test_vectors.py compares. The
// bundle's own checks are left out: what is of the log is here, what is of publishers in ../verify_vectors.mjs.

import { createHash, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const load = (name) => JSON.parse(readFileSync(join(process.argv[2], `${name}.json`), "utf8"));
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts.map((p) => Buffer.from(p)))).digest();
class Refused extends Error {}
const refuse = (code) => { throw new Refused(code); };
const outcome = (judge) => {
  try { return judge(); } catch (error) { if (error instanceof Refused) return error.message; throw error; }
};
const each = (cases, judge) => Object.fromEntries(Object.entries(cases).map(([name, one]) => [name, judge(one)]));
const hex = (bytes) => bytes.toString("hex");
const unhex = (texts) => texts.map((text) => Buffer.from(text, "hex"));

const base64 = (text, length) => {
  const bytes = Buffer.from(text, "base64");
  const fits = length === undefined || bytes.length === length;
  return bytes.toString("base64") === text && fits ? bytes : refuse("log_malformed");
};
const number = (text) => {
  if (!/^(0|[1-9][0-9]{0,18})$/.test(text) || BigInt(text) >= 2n ** 63n) refuse("log_malformed");
  return Number(text);
};
const publicKey = (raw) => createPublicKey({
  key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]), format: "der", type: "spki",
});
const privateKey = (seed) => createPrivateKey({
  key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]), format: "der", type: "pkcs8",
});
const rawOf = (key) => key.export({ format: "der", type: "spki" }).subarray(12);
const holds = (raw, message, signature) => verify(null, Buffer.from(message), publicKey(raw), signature);

// The tree.

const leafHash = (leaf) => sha256([0], leaf);
const nodeHash = (left, right) => sha256([1], left, right);
function rootOf(hashes) {
  if (hashes.length < 2) return hashes[0] ?? sha256();
  let half = 1;
  while (half * 2 < hashes.length) half *= 2;
  return nodeHash(rootOf(hashes.slice(0, half)), rootOf(hashes.slice(half)));
}
function included(leaf, index, size, proof, root) {
  if (index >= size) return false;
  let hash = leaf, last = size - 1;
  for (const one of proof) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      hash = nodeHash(one, hash);
      while (index % 2 === 0 && index > 0) { index /= 2; last = Math.floor(last / 2); }
    } else {
      hash = nodeHash(hash, one);
    }
    index = Math.floor(index / 2); last = Math.floor(last / 2);
  }
  return last === 0 && hash.equals(root);
}
function follows(old, oldRoot, size, root, proof) {
  if (old === 0) return proof.length === 0;
  if (old === size) return proof.length === 0 && oldRoot.equals(root);
  if (old > size || proof.length === 0) return false;
  const path = Number.isInteger(Math.log2(old)) ? [oldRoot, ...proof] : [...proof];
  let index = old - 1, last = size - 1;
  while (index % 2 === 1) { index = (index - 1) / 2; last = Math.floor(last / 2); }
  let one = path[0], other = path[0];
  for (const hash of path.slice(1)) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      one = nodeHash(hash, one); other = nodeHash(hash, other);
      while (index % 2 === 0 && index > 0) { index /= 2; last = Math.floor(last / 2); }
    } else {
      other = nodeHash(other, hash);
    }
    index = Math.floor(index / 2); last = Math.floor(last / 2);
  }
  return last === 0 && one.equals(oldRoot) && other.equals(root);
}

// Tiles.

function readPath(path) {
  const shape = /^tile\/(entries|[0-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/)*[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;
  const match = shape.exec(path);
  if (!match || /^x000/.test(match[2]) || Number(match[3]) > 255) refuse("log_malformed");
  const level = match[1] === "entries" ? null : Number(match[1]);
  return { level, number: Number(match[2].replace(/[x/]/g, "")), width: match[3] ? Number(match[3]) : 256 };
}
function tile(path, size) {
  const { level, number: at, width } = readPath(path);
  const entry = (index) => Buffer.from(`entry ${index}`);
  const range = (from, count) => Array.from({ length: count }, (_, i) => entry(from + i));
  if (level === null) {
    const counted = (leaf) => [Buffer.from([leaf.length >> 8, leaf.length & 255]), leaf];
    return Buffer.concat(range(at * 256, width).flatMap(counted));
  }
  const span = 256 ** level;
  return Buffer.concat(Array.from({ length: width }, (_, i) => {
    const from = (at * 256 + i) * span;
    return from + span > size ? refuse("log_malformed") : rootOf(range(from, span).map(leafHash));
  }));
}

// Notes, checkpoints, cosignatures.

function readKey(text) {
  const [, name, id, rest] = /^([^+ ]+)\+([0-9a-f]{8})\+(.+)$/.exec(text) ?? refuse("log_malformed");
  const typed = base64(rest, 33);
  if (hex(sha256(name, "\n", typed).subarray(0, 4)) !== id) refuse("log_malformed");
  return { name, id, type: typed[0], raw: typed.subarray(1) };
}
function readNote(text) {
  const at = text.lastIndexOf("\n\n");
  if (at < 0 || !text.endsWith("\n")) refuse("log_malformed");
  const signatures = text.slice(at + 2, -1).split("\n").map((line) => {
    const match = /^— ([^ +]+) ([^ ]+)$/.exec(line) ?? refuse("log_malformed");
    const bytes = base64(match[2]);
    return { name: match[1], id: hex(bytes.subarray(0, 4)), value: bytes.subarray(4) };
  });
  const [origin, size, root] = text.slice(0, at + 1).split("\n");
  return {
    text: text.slice(0, at + 1), origin, size: number(size), root: base64(root, 32),
    by: (key) => signatures.filter((s) => s.name === key.name && s.id === key.id).map((s) => s.value),
  };
}
function requireLog(note, logs) {
  const known = logs.filter((key) => key.name === note.origin);
  if (!known.length) refuse("log_unknown");
  const found = known.flatMap((key) => note.by(key).map((value) => holds(key.raw, note.text, value)));
  if (!found.length || found.includes(false)) refuse("log_signature");
}
const cosigned = (note, time) => `cosignature/v1\ntime ${time}\n${note.text}`;
function timeOf(note, key) {
  const times = note.by(key).map((value) => {
    const time = value.length === 72 ? value.readBigUInt64BE() : refuse("witness_signature");
    return holds(key.raw, cosigned(note, time), value.subarray(8)) ? Number(time) : refuse("witness_signature");
  });
  return times.length ? Math.max(...times) : null;
}
function readPolicy(text) {
  const policy = { logs: [], witnesses: [], groups: {}, quorum: null };
  for (const [kind, ...words] of text.split("\n").filter(Boolean).map((line) => line.split(" "))) {
    if (kind === "log") policy.logs.push(readKey(words[0]));
    if (kind === "witness") policy.witnesses.push({ name: words[0], key: readKey(words[1]) });
    if (kind === "group") {
      const [name, count, ...members] = words;
      policy.groups[name] = { needed: { all: members.length, any: 1 }[count] ?? Number(count), members };
    }
    if (kind === "quorum") [policy.quorum] = words;
  }
  return policy;
}
function requireWitnessed(note, policy, now) {
  requireLog(note, policy.logs);
  const times = policy.witnesses.map(({ name, key }) => [name, timeOf(note, key)]);
  const past = times.filter(([, time]) => time !== null && time <= now + 300);
  const isQuorum = (found) => {
    const has = (name) => found.some(([one]) => one === name)
      || (name in policy.groups && policy.groups[name].members.filter(has).length >= policy.groups[name].needed);
    return policy.quorum === "none" || has(policy.quorum);
  };
  if (isQuorum(past.filter(([, time]) => time >= now - 86400))) return "ok";
  return refuse(isQuorum(past) ? "witness_stale" : "witness_quorum");
}
function verifyProof(entry, text, policy, now) {
  const at = text.indexOf("\n\n");
  const lines = text.slice(0, at).split("\n");
  if (lines.shift() !== "c2sp.org/tlog-proof@v1") refuse("log_malformed");
  if (lines[0].startsWith("extra ")) base64(lines.shift().slice(6));
  const index = lines[0].startsWith("index ") ? number(lines.shift().slice(6)) : refuse("log_malformed");
  const note = readNote(text.slice(at + 2));
  const proof = lines.map((line) => base64(line, 32));
  requireWitnessed(note, policy, now);
  return included(leafHash(entry), index, note.size, proof, note.root) ? "ok" : refuse("log_inclusion");
}

// A witness.

const STATUS = { log_malformed: 400, log_unknown: 404, log_signature: 403, log_fork: 422, log_consistency: 422 };
function addCheckpoint(request, known, logs, witness, at) {
  try {
    const end = request.indexOf("\n\n");
    const [first, ...lines] = request.slice(0, end).split("\n");
    const old = first.startsWith("old ") ? number(first.slice(4)) : refuse("log_malformed");
    const proof = lines.map((line) => base64(line, 32)), note = readNote(request.slice(end + 2));
    if (old > note.size || proof.length > 63) refuse("log_malformed");
    requireLog(note, logs);
    const before = known ? { size: known.size, root: Buffer.from(known.root, "hex") } : { size: 0, root: sha256() };
    if (old !== before.size) return [409, `${before.size}\n`];
    if (old === note.size && !before.root.equals(note.root)) refuse("log_fork");
    if (!follows(old, before.root, note.size, note.root, proof)) refuse("log_consistency");
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(at));
    const signature = sign(null, Buffer.from(cosigned(note, at)), privateKey(witness.seed));
    const value = Buffer.concat([Buffer.from(witness.id, "hex"), time, signature]);
    return [200, `— ${witness.name} ${value.toString("base64")}\n`];
  } catch (error) {
    if (error instanceof Refused) return [STATUS[error.message], null];
    throw error;
  }
}

// Leaves, state, peers.

const HASH = /^[0-9a-f]{64}$/, TEXT = (value) => typeof value === "string", COUNT = Number.isSafeInteger;
const matches = (pattern) => (value) => TEXT(value) && pattern.test(value);
const one = (...words) => (value) => words.includes(value);
const M = {
  at: COUNT, source: TEXT, slug: TEXT, version: TEXT, length: COUNT, sequence: COUNT, since: COUNT, until: COUNT,
  instance_url: TEXT, subject: TEXT, origin: TEXT, code: matches(/^[a-z0-9_]+$/), about: matches(/^[a-z0-9_]+$/),
  hash: matches(HASH),
};
const HASHES = [
  "sha256", "statement", "signature", "manifest", "document", "catalog", "first", "second", "previous", "proof", "key",
];
const LEAVES = {
  source: ["at source instance_url key state", "", {
    key: TEXT, state: one("registered", "suspended", "resumed", "removed"),
  }],
  verification: ["at source key method result", "code proof", {
    method: one("ownership-v1", "ownership-v2", "key-document"), result: one("success", "failure"),
  }],
  publisher: ["at source version document", "", { version: COUNT }],
  catalog: ["at source sequence catalog", ""],
  release: ["at source slug version length sha256", "statement signature manifest"],
  yank: ["at source slug version catalog", ""],
  revocation: ["at source key since document", ""],
  custody: ["at source previous key until", ""],
  evidence: ["at about subject first second", "slug version"],
  peer: ["at origin key state", "", { state: one("active", "suspended", "faulty", "removed") }],
};
function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}
function readLeaf(text) {
  const { t: kind, v: said } = JSON.parse(text);
  if (!(kind in LEAVES)) refuse("leaf_unknown");
  const words = (text) => text.split(" ").filter(Boolean);
  const [needed, optional] = LEAVES[kind].slice(0, 2).map(words), own = LEAVES[kind][2] ?? {};
  const fits = (name) => (own[name] ?? (HASHES.includes(name) ? M.hash : M[name]))(said[name]);
  const listed = Object.keys(said).every((name) => [...needed, ...optional].includes(name) && fits(name));
  const whole = needed.every((name) => name in said);
  if (!listed || !whole || canonical({ t: kind, v: said }) !== text) refuse("log_malformed");
  return kind;
}
const stateDigest = (held) => hex(sha256(...held
  .map(([plugin, version, hash, state]) => Buffer.from(`${plugin}\t${version}\t${hash}\t${state}\n`))
  .sort(Buffer.compare)));
function judgeChallenge(text, own, now) {
  const lines = text.split("\n");
  const shaped = lines.length === 8 && lines[7] === "" && lines[0] === "pfn-peer-v1" && lines[1] === own.url
    && lines[2] !== own.url && lines[3] === own.log_key && lines[4] === own.witness_key && HASH.test(lines[5])
    && /^(0|[1-9][0-9]*)$/.test(lines[6]) && !text.includes("\r");
  return shaped && Math.abs(now - Number(lines[6])) <= 300 ? "ok" : refuse("ownership_challenge");
}

const said = {}, keys = load("keys");
said.keys = Object.keys(keys).filter((name) => name !== "identity").every((name) => {
  const seed = Buffer.from(keys[name].seed, "hex"), known = readKey(keys[name].verifier_key);
  const raw = rawOf(createPublicKey(privateKey(seed)));
  return sha256(name).equals(seed) && raw.equals(known.raw) && known.type === (name === "log" ? 1 : 4);
});
{
  const v = load("leaves");
  said.leaves = v.leaves.map(({ bytes }) => {
    const leaf = Buffer.from(bytes, "hex");
    return [readLeaf(leaf.toString("utf8")), hex(leafHash(leaf))];
  });
  said.refused_leaves = each(v.refused, ({ text }) => outcome(() => readLeaf(text)));
}
{
  const v = load("tree"), leaves = Array.from({ length: 300 }, (_, i) => leafHash(`entry ${i}`));
  const root = (size) => rootOf(leaves.slice(0, size));
  const isIn = ({ index, size, proof }, leaf) => included(leaf, index, size, unhex(proof), root(size));
  said.tree = {
    leaf_hashes: leaves.slice(0, v.leaf_hashes.length).map(hex),
    roots: v.roots.map(({ size }) => ({ size, root: hex(root(size)) })),
    inclusion: v.inclusion.map((c) => isIn(c, leaves[c.index])),
    refused_inclusion: each(v.refused_inclusion, (c) => isIn(c, leaves[42])),
    consistency: v.consistency.map((c) => follows(c.old, root(c.old), c.new, root(c.new), unhex(c.proof))),
  };
}
{
  const v = load("tiles");
  const show = (files, size) => Object.fromEntries(Object.keys(files).map((path) => {
    const bytes = tile(path, size);
    return [path, { length: bytes.length, sha256: hex(sha256(bytes)) }];
  }));
  said.tiles = {
    paths: v.paths.map(({ path }) => ({ ...readPath(path), path })),
    refused_paths: v.refused_paths.map((path) => outcome(() => readPath(path))),
    files_of_300: show(v.files_of_300, 300), some_files_of_70000: show(v.some_files_of_70000, 70000),
  };
}
{
  const v = load("checkpoint"), policy = readPolicy(v.policy), signed = readNote(v.notes.signed);
  said.checkpoint = {
    origin: signed.origin, size: signed.size, root: hex(signed.root), cosigned_message: cosigned(signed, v.now),
    expect: each(v.notes, (note) => outcome(() => requireWitnessed(readNote(note), policy, v.now))),
  };
}
{
  const v = load("proof"), policy = readPolicy(v.policy);
  said.proof = v.cases.map((c) => outcome(() => verifyProof(c.entry, c.proof, policy, v.now)));
}
{
  const v = load("witness"), { seed, verifier_key } = keys[v.witness];
  const witness = { ...readKey(verifier_key), seed: Buffer.from(seed, "hex") }, logs = v.log_keys.map(readKey);
  said.witness = v.cases.map((c) => addCheckpoint(c.request, c.known, logs, witness, v.at));
}
said.state = each(load("state"), ({ held }) => stateDigest(held));
{
  const v = load("peer"), raw = rawOf(createPublicKey(v.description.identity_key));
  said.peer = {
    signature: holds(raw, v.challenge, base64(v.signature)),
    cases: v.cases.map((c) => outcome(() => judgeChallenge(c.challenge, v.description, c.now))),
  };
}
console.log(JSON.stringify(said));
