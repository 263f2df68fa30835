// A second verifier of tests/vectors/v2, written from docs/protocol/publisher-documents.md alone, for node.js without
// packages. Prints for each file what it says of each case, as JSON; test_signed_vectors.py compares.

import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const load = (name) => JSON.parse(readFileSync(join(process.argv[2], `${name}.json`), "utf8"));
const keys = load("keys");
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
class Refused extends Error {}
const refuse = (code) => { throw new Refused(code); };
const outcome = (judge) => {
  try { return judge(); } catch (error) { if (error instanceof Refused) return error.message; throw error; }
};

const base64 = (text) => {
  const bytes = Buffer.from(String(text), "base64");
  return bytes.toString("base64") === text ? bytes : refuse("publisher_document");
};
const holds = (key, message, signature) => {
  const raw = base64(key);
  const spki = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  return verify(null, message, createPublicKey({ key: spki, format: "der", type: "spki" }), signature);
};
const pae = (type, payload) => Buffer.concat([
  Buffer.from(`DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `), payload,
]);

function parse(text) {
  const twice = /^\{"payload":[^,]*,"payload":/.test(text);
  const { payload, payloadType, signatures } = JSON.parse(text);
  if (twice || !signatures.length) refuse("publisher_document");
  const ids = signatures.map((s) => s.keyid);
  if (new Set(ids).size !== ids.length) refuse("publisher_document");
  const bytes = base64(payload);
  const sent = Object.fromEntries(signatures.map((s) => [s.keyid, base64(s.sig)]));
  const message = pae(payloadType, bytes);
  return {
    type: payloadType, payload: bytes, hash: sha256(bytes), claims: (id) => id in sent,
    signedBy: (listed) => listed.id in sent && holds(listed.key, message, sent[listed.id]),
  };
}
function read(envelope, type) {
  if (envelope.type !== type) refuse("document_type");
  return JSON.parse(envelope.payload.toString("utf8"));
}

const KEY_DOCUMENT = "application/vnd.pfn.publisher+json";
const CATALOG = "application/vnd.pfn.catalog+json";
const STATEMENT = "application/vnd.in-toto+json";

function threshold(envelope, by) {
  if (by.root_keys.filter(envelope.signedBy).length < by.threshold) refuse("document_threshold");
}
function advance(known, envelope, source, url) {
  const document = read(envelope, KEY_DOCUMENT);
  if (document.source !== source || document.instance_url !== url) refuse("document_mismatch");
  if (!known) {
    if (document.version !== 1) refuse("document_gap");
    threshold(envelope, document);
    return { document, hash: envelope.hash };
  }
  if (envelope.hash === known.hash) return known;
  if (document.version < known.document.version) refuse("document_rollback");
  if (document.version > known.document.version + 1) refuse("document_gap");
  threshold(envelope, known.document);
  if (document.version === known.document.version) refuse("document_fork");
  threshold(envelope, document);
  if (document.previous !== known.hash) refuse("document_chain");
  for (const old of known.document.revoked) {
    const now = document.revoked.find((r) => r.id === old.id);
    if (!now || now.compromised_since > old.compromised_since) refuse("document_chain");
  }
  return { document, hash: envelope.hash };
}
function begin(chain, pin, { source, instance_url, now }) {
  const known = chain.reduce((trusted, envelope) => advance(trusted, envelope, source, instance_url), null);
  if (!chain.some((envelope) => envelope.signedBy(keys[pin]))) refuse("key_mismatch");
  if (known.document.expires <= now) refuse("document_expired");
  return known.document.version;
}
function signer(envelope, publisher, slug, at, endorsed) {
  let first = null;
  for (const key of publisher.release_keys.filter((k) => envelope.claims(k.id))) {
    const revoked = publisher.revoked.find((r) => r.id === key.id);
    let code = null;
    if (!envelope.signedBy(key)) code = "signature_invalid";
    else if (key.slugs && !key.slugs.includes(slug)) code = "release_key_scope";
    else if (revoked && at >= revoked.compromised_since) code = "release_key_revoked";
    else if (at < key.not_before || (key.not_after && at >= key.not_after && !endorsed)) code = "release_key_time";
    if (!code) return key;
    first ??= code;
  }
  return refuse(first ?? "release_key_unknown");
}
function verifyStatement(envelope, publisher, { slug, version, known, now, logged_at, catalog }) {
  if (publisher.expires <= now) refuse("document_expired");
  const listed = catalog?.releases.find((r) => r.slug === slug);
  signer(envelope, publisher, slug, logged_at ?? now, listed?.statement === envelope.hash);
  const payload = read(envelope, STATEMENT);
  if (payload._type !== "https://in-toto.io/Statement/v1") refuse("document_type");
  if (payload.predicateType !== "urn:pfn:release:v1") refuse("document_type");
  const said = payload.predicate;
  if (payload.subject[0].name !== `${said.slug}-${said.version}.zip`) refuse("statement_mismatch");
  if (said.source !== publisher.source || said.slug !== slug) refuse("statement_mismatch");
  if (said.publisher_version > publisher.version) refuse("document_gap");
  if (said.version !== version) refuse("statement_mismatch");
  if (known && known.hash !== envelope.hash) {
    if (said.sequence === known.sequence) refuse("statement_fork");
    if (said.sequence < known.sequence) refuse("statement_rollback");
    if (said.sequence > known.sequence + 1) refuse("statement_gap");
    if (said.previous !== known.hash) refuse("statement_chain");
  }
  return "ok";
}
function verifyCatalog(envelope, publisher, known, now) {
  if (publisher.expires <= now) refuse("document_expired");
  signer(envelope, publisher, undefined, now, false);
  const catalog = read(envelope, CATALOG);
  if (catalog.source !== publisher.source) refuse("catalog_mismatch");
  if (catalog.publisher_version > publisher.version) refuse("document_gap");
  const stale = catalog.expires <= now;
  if (known?.hash === envelope.hash) return stale ? "stale" : "ok";
  if (known && catalog.sequence < known.sequence) refuse("catalog_rollback");
  if (known && catalog.sequence === known.sequence) refuse("catalog_fork");
  return stale ? refuse("catalog_expired") : "ok";
}
function judgeChallenge(text, { instance_url, username }, now) {
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(text)) return "v1-uuid";
  const lines = text.split("\n");
  const shaped = lines.length === 7 && lines[6] === "" && lines[0] === "pfn-ownership-v2"
    && /^https?:\/\/[^/]+$/.test(lines[1]) && /^[0-9a-f]{64}$/.test(lines[4]) && /^(0|[1-9][0-9]*)$/.test(lines[5]);
  const named = shaped && lines[2] === instance_url && lines[3] === username;
  return named && Math.abs(now - Number(lines[5])) <= 300 ? "v2" : refuse("ownership_challenge");
}

const envelopes = (texts) => Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, parse(text)]));
const payloads = (texts, type) =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, read(parse(text), type)]));

const said = {};
{
  const v = load("envelope"), e = parse(v.envelope);
  said.envelope = {
    pae: pae(v.payload_type, Buffer.from(v.payload)).toString("hex"),
    signers: Object.keys(keys).filter((name) => e.signedBy(keys[name])),
    refused: Object.fromEntries(Object.entries(v.refused).map(([name, text]) => [name, outcome(() => parse(text) && "ok")])),
  };
}
{
  const v = load("publisher"), all = envelopes(v.envelopes);
  said.publisher = v.cases.map((c) => outcome(() => begin(c.chain.map((name) => all[name]), c.pin, v)));
}
{
  const v = load("statement"), all = envelopes(v.envelopes);
  const publishers = payloads(v.publishers, KEY_DOCUMENT), catalogs = payloads(v.catalogs, CATALOG);
  const head = (name) => name && { hash: all[name].hash, sequence: read(all[name], STATEMENT).predicate.sequence };
  said.statement = v.cases.map((c) => outcome(() => verifyStatement(all[c.statement], publishers[c.publisher], {
    ...c, now: v.now, known: head(c.known), catalog: catalogs[c.catalog],
  })));
}
{
  const v = load("catalog"), all = envelopes(v.envelopes), publishers = payloads(v.publishers, KEY_DOCUMENT);
  const head = (name) => name && { hash: all[name].hash, sequence: read(all[name], CATALOG).sequence };
  said.catalog = v.cases.map((c) =>
    outcome(() => verifyCatalog(all[c.catalog], publishers[c.publisher], head(c.known), c.now)));
}
{
  const v = load("artifact"), zip = base64(v.zip), sha384 = createHash("sha384").update(zip).digest();
  const lines = v.files
    .map(([path, size, hash]) => [Buffer.from(path), `${hash} ${size} ${path}\n`])
    .sort(([a], [b]) => Buffer.compare(a, b)).map(([, line]) => line);
  said.artifact = {
    length: zip.length, sha256: sha256(zip), sha384: sha384.toString("hex"), manifest: sha256(lines.join("")),
    signature: holds(keys[v.key].key, sha384, base64(v.signature)),
  };
}
{
  const v = load("ownership");
  said.ownership = {
    signature: holds(keys[v.key].key, Buffer.from(v.challenge), base64(v.signature)),
    cases: v.cases.map((c) => outcome(() => judgeChallenge(c.challenge, v, c.now))),
  };
}
console.log(JSON.stringify(said));
