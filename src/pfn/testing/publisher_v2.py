"""A v2 publisher for tests: honest signed documents from keys in memory, over real HTTP, and misbehaviour on command.

``FakePublisherV2`` is a ``FakePublisher`` (faults per path, ``requests``, v1 documents signed with ``key``) that also
serves protocol.md section 3. Entered, it has version 1 of its key document and an empty catalogue::

    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")          # zip, .sig, statement, catalogue; also in v1's /author-data
        publisher.public_key_pem                    # the pin: its root key (key.public_key.pem: its v1 key, which
                                                    # signed version 1 too and so may be a pin as well)

``files`` is all that is served of v2, path -> bytes, with an ETag; every method below only changes it, and so may a
test: copy an entry and put it back for a rollback, delete it for a 404. The rows of what was honestly made are in
``documents`` (version N is the item N - 1), ``statements[slug]`` and ``catalogs``. ``now`` is its clock; None: real.

Honest: ``add_plugin`` (again with the same arguments: the same bytes under a new statement), ``yank``,
``renew_catalog``, ``publish_document(**members)``, ``rotate_release_key``, ``rotate_ownership_key``,
``rotate_root_key``, ``revoke_release_key``, ``add_release_key(slugs=, not_before=, not_after=)``.

Misbehaviour:

================================== ===================================================================================
an older catalogue                 ``roll_back_catalog()``
an older key document              ``roll_back_document()``
a catalogue kept from being new    ``renew_catalog(lifetime=1)``, then set ``now``
two catalogues of one sequence     ``renew_catalog(skip=-1)``
a catalogue issued in the future   ``renew_catalog(issued=…, expires=…)``
mix-and-match                      ``renew_catalog(listed={"one": {"statement": "00" * 32}})``
a key document left out            ``publish_document(skip=1)``
two key documents of one version   ``publish_document(skip=-1)``
another instance URL or source     ``publish_document(instance_url=…, source=…)``
too few root signatures            ``publish_document(signed_by=[])``
statements left out                ``add_plugin(…, skip=1)``
two statements of one sequence     ``add_plugin(…, skip=-1)``
a row that does not hold together  ``add_plugin(…, statement={"previous": "00" * 32})``
a statement about other bytes      ``add_plugin(…, content=b"…")``, or ``replace_zip`` later
two zips of one version, signed    ``add_plugin`` twice, the second time with another description
a key nobody knows                 ``add_plugin(…, sign_with=SigningKey.generate())``, the same for ``renew_catalog``
a revoked key                      ``old = revoke_release_key()``, ``add_plugin(…, sign_with=old)``
a key past its time                ``old = rotate_release_key(overlap=0)``, ``add_plugin(…, sign_with=old)``
a key for other plugins            ``key = add_release_key(slugs=("two",))``, ``add_plugin("one", …, sign_with=key)``
no or a wrong ``.sig``             ``replace_signature("one", "1.0", None)``, or other bytes
custody: another's roots           ``start_over()``
downgrade: v2 is gone              ``hidden = True``
signs any string                   ``oracle_key = publisher.key``, or any other key
replays an old ownership proof     ``replays = True``: the answer before, whatever is asked
proves with another key            ``ownership_key = SigningKey.generate()`` (``proof_key`` for v1)
================================== ===================================================================================
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Self

from pfn.protocol.artifact import sign_artifact
from pfn.protocol.catalog import DEFAULT_LIFETIME, Catalog, Yank
from pfn.protocol.document import Head, write_payload
from pfn.protocol.dsse import Envelope, key_id, sign_envelope, write_envelope
from pfn.protocol.ed25519 import PublicKey, SigningKey
from pfn.protocol.publisher_chain import TrustedPublisher, restore_trust
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_statement import PAYLOAD_TYPE, write_statement
from pfn.publisher import key_document, paths
from pfn.publisher.catalog import SignedRelease, list_newest, make_catalog
from pfn.publisher.documents import NAMING_SCHEME, V1_FEATURES, Publisher, list_features
from pfn.publisher.release import Refused, make_statement, read_release
from pfn.testing.faults import Answer
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher, Received, Signature, keepable

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class FakePublisherV2(FakePublisher):
    """A v2 publisher, listening while it is entered; see the module for what it can be told."""

    def __init__(
        self,
        username: str = "alice",
        *,
        key: SigningKey | None = None,
        naming_scheme: str = NAMING_SCHEME,
        root_keys: int = 1,
        threshold: int = 1,
        now: int | None = None,
    ) -> None:
        super().__init__(username, key=key, naming_scheme=naming_scheme)
        self.now = now
        self.threshold = threshold
        self.files: dict[str, bytes] = {}
        self.hidden = False
        self.oracle_key: SigningKey | None = None
        self.replays = False
        self._last_proof: Answer | None = None
        self._begin([SigningKey.generate() for _ in range(root_keys)])

    def _begin(self, root_keys: Sequence[SigningKey]) -> None:
        self.root_keys = list(root_keys)
        self.release_key = SigningKey.generate()
        self.ownership_key = SigningKey.generate()
        self.documents: list[Envelope] = []
        self.statements: dict[str, list[SignedRelease]] = {}
        self.catalogs: list[Envelope] = []
        self.yanked: list[Yank] = []
        self._withdrawn: set[str] = set()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._publish_first()
        return self

    @property
    def public_key_pem(self) -> str:
        """The pin: the first root key."""
        return self.root_keys[0].public_key.pem

    @property
    def trusted(self) -> TrustedPublisher:
        """The newest key document of its own making, as a node that knows it holds it."""
        return restore_trust(self.documents[-1])

    # Key documents.

    def publish_document(
        self,
        document: PublisherDocument | None = None,
        *,
        signed_by: Iterable[SigningKey] | None = None,
        skip: int = 0,
        **members: object,
    ) -> Envelope:
        """Publish a key document: the next version, with these members, unless a ready one is given.

        Signed by the present root keys unless said otherwise. ``skip`` leaves versions out; -1 takes the last number.
        """
        if document is None:
            if skip:
                # Never by chance the same document again.
                expires = self.present + key_document.LIFETIME + 1
                members = {"version": self.trusted.document.version + 1 + skip, "expires": expires, **members}
            document = key_document.make_next_document(self.trusted, now=self.present, **members)
        keys = self.root_keys if signed_by is None else signed_by
        # An envelope without signatures is none; a stranger's is as good as none.
        signers = list(keys) or [SigningKey.generate()]
        envelope = sign_envelope(document.payload_type, write_payload(document), signers)
        self.documents.append(envelope)
        self._put(paths.document_path(document.version), write_envelope(envelope))
        self._put(paths.PUBLISHER, write_envelope(envelope))
        return envelope

    def rotate_release_key(self, *, overlap: int = key_document.OVERLAP) -> SigningKey:
        """Take a new release key, renew the catalogue with it, and give the old one, valid for ``overlap`` seconds."""
        old, self.release_key = self.release_key, SigningKey.generate()
        self.publish_document(
            key_document.rotate_release_key(
                self.trusted, old.public_key, self.release_key.public_key, now=self.present, overlap=overlap
            )
        )
        self.renew_catalog()
        return old

    def rotate_ownership_key(self) -> SigningKey:
        """Take a new ownership key and give the old one."""
        old, self.ownership_key = self.ownership_key, SigningKey.generate()
        self.publish_document(
            key_document.rotate_ownership_key(
                self.trusted, old.public_key, self.ownership_key.public_key, now=self.present
            )
        )
        return old

    def rotate_root_key(self) -> SigningKey:
        """Take a new first root key and give the old one. ``public_key_pem`` is the new one's then."""
        old, new = self.root_keys[0], SigningKey.generate()
        document = key_document.rotate_root_key(self.trusted, old.public_key, new.public_key, now=self.present)
        self.publish_document(document, signed_by=[*self.root_keys, new])
        self.root_keys[0] = new
        return old

    def revoke_release_key(
        self, *, compromised_since: int | None = None, reason: str = "The build machine was broken into."
    ) -> SigningKey:
        """Revoke the release key, by default from now on, take a new one, renew the catalogue; give the old one."""
        old, self.release_key = self.release_key, SigningKey.generate()
        self.publish_document(
            key_document.revoke_key(
                self.trusted,
                key_id(old.public_key),
                reason=reason,
                compromised_since=self.present if compromised_since is None else compromised_since,
                now=self.present,
                replacement=self.release_key.public_key,
            )
        )
        self.renew_catalog()
        return old

    def add_release_key(
        self, *, slugs: tuple[str, ...] | None = None, not_before: int | None = None, not_after: int | None = None
    ) -> SigningKey:
        """List one more release key, with limits, and give it; ``release_key`` stays what it is."""
        key = SigningKey.generate()
        listed = key_document.list_release_key(key.public_key, now=self.present, slugs=slugs)
        limits = {"not_before": listed.not_before if not_before is None else not_before, "not_after": not_after}
        added = listed.model_copy(update=limits)
        self.publish_document(release_keys=(*self.trusted.document.release_keys, added))
        return key

    def start_over(self) -> None:
        """Be somebody else at the same address: new keys, version 1 again, nothing published. The v1 key stays."""
        self._begin([SigningKey.generate() for _ in self.root_keys])
        self.files.clear()
        self._announced.clear()
        self._publish_first()

    # Releases and the catalogue.

    def add_plugin(
        self,
        slug: str,
        version: str,
        *,
        name: str | None = None,
        description: str = "Does one thing.",
        tags: tuple[str, ...] = (),
        signature: Signature | None = "author-data",
        content: bytes | None = None,
        files: Mapping[str, bytes] | None = None,
        sign_with: SigningKey | None = None,
        skip: int = 0,
        statement: Mapping[str, object] = _NOTHING,
        listed: bool = True,
    ) -> bytes:
        """Publish a release under v1 and v2 and return its zip.

        ``content`` is served instead of the zip that was signed; ``sign_with`` signs statement and ``.sig``; ``skip``
        leaves sequence numbers out, -1 takes the last one again; ``statement`` are members that shall be otherwise;
        unless ``listed``, the catalogue stays as it is.
        """
        served = super().add_plugin(
            slug,
            version,
            name=name,
            description=description,
            tags=tags,
            signature=signature,
            content=content,
            files=files,
        )
        self._withdrawn.discard(slug)
        honest = plugin_zip(slug, version, name=name, description=description, tags=tags, files=files)
        # A second statement of one number is never by chance the same one.
        release = read_release(honest, released_at=self.present + (skip < 0))
        assert not isinstance(release, Refused)  # it was read before
        key = sign_with or self.release_key
        row = self.statements.setdefault(slug, [])
        after = row[-1].head if row else None
        if after and skip < 0:
            after = row[skip - 1].head if len(row) >= 1 - skip else None
        elif skip:
            after = Head((after.sequence if after else 0) + skip, after.payload_hash if after else "00" * 32)
        made = make_statement(release, self.trusted.document, after=after).model_copy(update=dict(statement))
        envelope = sign_envelope(PAYLOAD_TYPE, write_statement(made), [key])
        row.append(SignedRelease(made, envelope))
        for path in (paths.statement_path(slug, version), paths.row_path(slug, made.sequence)):
            self._put(path, write_envelope(envelope))
        self.replace_signature(slug, version, sign_artifact(key, bytes.fromhex(release.sha384)))
        if listed:
            self.renew_catalog()
        return served

    def withdraw_plugin(self, slug: str) -> None:
        """List the plugin no more, in a new catalogue; its zips and statements stay."""
        super().withdraw_plugin(slug)
        self._withdrawn.add(slug)
        self.renew_catalog()

    def replace_signature(self, slug: str, version: str, signature: bytes | None) -> None:
        """Serve these bytes, in base64, as the signature beside a zip; None for a 404."""
        path = self.zip_path(slug, version) + paths.SIGNATURE_SUFFIX
        if signature is None:
            del self.files[path]
        else:
            self.files[path] = base64.b64encode(signature) + b"\n"

    def yank(self, slug: str, version: str, reason: str = "It loses data.") -> None:
        """Yank a version in a new catalogue; its zip and statement stay."""
        self.yanked.append(Yank(slug=slug, version=version, reason=reason, at=self.present))
        self.renew_catalog()

    def renew_catalog(
        self,
        *,
        sign_with: SigningKey | None = None,
        lifetime: int = DEFAULT_LIFETIME,
        skip: int = 0,
        listed: Mapping[str, Mapping[str, object]] = _NOTHING,
        **members: object,
    ) -> Envelope:
        """Publish the next catalogue, with these members otherwise than honest.

        ``listed`` gives, by slug, members of an entry; ``skip`` leaves sequences out, -1 takes the last one again.
        """
        document = self.trusted.document
        listed_rows = (row for slug, row in self.statements.items() if slug not in self._withdrawn)
        releases = (release for row in listed_rows for release in row)
        newest = list_newest(releases, self.yanked, self._publisher().zip_url)
        entries = [entry.model_copy(update=dict(listed.get(entry.slug, _NOTHING))) for entry in newest]
        if skip < 0:
            lifetime += 1  # never by chance the same catalogue again
        after = self._last_sequence() + skip
        made = make_catalog(document, entries, self.yanked, after=after, now=self.present, lifetime=lifetime)
        made = made.model_copy(update=members)
        envelope = sign_envelope(Catalog.payload_type, write_payload(made), [sign_with or self.release_key])
        self.catalogs.append(envelope)
        self._put(paths.CATALOG, write_envelope(envelope))
        return envelope

    def roll_back_catalog(self, back: int = 1) -> None:
        """Serve the catalogue of ``back`` renewals ago."""
        self._put(paths.CATALOG, write_envelope(self.catalogs[-1 - back]))

    def roll_back_document(self, back: int = 1) -> None:
        """Serve the key document of ``back`` versions ago as the newest."""
        self._put(paths.PUBLISHER, write_envelope(self.documents[-1 - back]))

    # Behind the wire.

    def _publish_first(self) -> None:
        document = key_document.make_first_document(
            username=self.username,
            instance_url=self.url,
            root_keys=[key.public_key for key in self.root_keys],
            threshold=self.threshold,
            release_key=self.release_key.public_key,
            ownership_key=self.ownership_key.public_key,
            now=self.present,
        )
        self.publish_document(document, signed_by=[*self.root_keys, self.key])
        self.renew_catalog()

    def _last_sequence(self) -> int:
        return json.loads(self.catalogs[-1].payload)["sequence"] if self.catalogs else 0

    def _put(self, path: str, content: bytes) -> None:
        self.files["/" + path] = content

    def _publisher(self) -> Publisher:
        v1 = super()._publisher()
        shown: PublicKey = v1.shown_key if self.hidden else self.root_keys[0].public_key
        return Publisher(v1.profile, v1.url, shown, v1.v1_key, self.ownership_key, v1.naming_scheme)

    def _features(self) -> tuple[str, ...]:
        return V1_FEATURES if self.hidden else list_features(self._publisher(), answers=True)

    def _answer(self, request: Received) -> Answer:
        if request.method in {"GET", "HEAD"} and not self.hidden and request.path in self.files:
            content_type = "text/plain" if request.path.endswith(paths.SIGNATURE_SUFFIX) else "application/json"
            return keepable(request, Answer(200, {"Content-Type": content_type}, self.files[request.path]))
        return super()._answer(request)

    def _prove(self, request: Received, now_ms: int) -> Answer:
        if self.replays and self._last_proof:
            return self._last_proof
        if self.oracle_key:
            challenge = json.loads(request.body)["challenge"]
            signature = base64.b64encode(self.oracle_key.sign(challenge.encode())).decode("ascii")
            answer = Answer(
                HTTPStatus.OK, {"Content-Type": "application/json"}, json.dumps({"signature": signature}).encode()
            )
        else:
            answer = super()._prove(request, now_ms)
        if answer.status == HTTPStatus.OK:
            self._last_proof = answer
        return answer
