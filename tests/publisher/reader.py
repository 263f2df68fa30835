"""A newcomer with nothing but a URL and a pin, verifying all of a publisher as the protocol has it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from pfn.protocol.artifact import check_artifact, check_artifact_signature
from pfn.protocol.catalog import Catalog, check_listed, verify_catalog
from pfn.protocol.dsse import Envelope, parse_envelope
from pfn.protocol.ed25519 import PublicKey, parse_signature
from pfn.protocol.publisher_chain import TrustedPublisher, begin_trust
from pfn.protocol.release_statement import StatementRow, verify_statement, verify_statement_chain
from pfn.protocol.source_id import source_id

Fetch = Callable[[str], bytes]


def on_disk(root: Path) -> Fetch:
    """Fetch from the files below ``root``, as a static host serves them."""
    return lambda path: (root / unquote(path)).read_bytes()


@dataclass
class Believed:
    """What a newcomer believes: the key document, the catalogue, every plugin's row."""

    trusted: TrustedPublisher
    catalog: Catalog
    rows: dict[str, StatementRow]

    @property
    def versions(self) -> dict[str, list[str]]:
        return {slug: [one.statement.version for one in row.believed] for slug, row in self.rows.items()}


def believe(fetch: Fetch, url: str, pin: PublicKey, *, now: int, username: str = "alice") -> Believed:
    """Fetch and verify everything, or raise what the protocol does; ``fetch`` takes a URL's path below the instance."""

    def envelope(name: str) -> Envelope:
        return parse_envelope(fetch(f".well-known/pfn/{name}"))

    newest = json.loads(envelope("publisher.json").payload)["version"]
    chain = [envelope(f"publisher/{version}.json") for version in range(1, newest + 1)]
    assert chain[-1] == envelope("publisher.json")
    trusted = begin_trust(
        chain, pin=pin, pin_is_oracle=False, source=source_id(url, username), instance_url=url, now=now
    )
    catalog = verify_catalog(envelope("catalog.json"), trusted, known=None, now=now).catalog
    rows: dict[str, StatementRow] = {}
    for listed in catalog.releases:
        slug = listed.slug
        path = f"releases/{slug}/{quote(listed.version)}.json"
        verified = verify_statement(
            envelope(path), trusted, slug=slug, version=listed.version, known=None, now=now, endorsed_by=catalog
        )
        check_listed(catalog, slug=slug, version=listed.version, head=verified.head)
        zip_path = listed.url.removeprefix(f"{url}/")
        content = fetch(zip_path)
        sha384 = hashlib.sha384(content)
        check_artifact(
            verified.statement,
            length=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            sha384=sha384.hexdigest(),
        )
        signature = fetch(f"{zip_path}.sig").decode("ascii")
        assert signature.endswith("\n")
        found = parse_signature(signature.strip())
        assert found is not None
        check_artifact_signature([verified.key], sha384=sha384.digest(), signature=found)
        row = [envelope(f"releases/{slug}/sequence/{number}.json") for number in range(1, listed.sequence + 1)]
        rows[slug] = verify_statement_chain(row, trusted, slug=slug, known=None, now=now, endorsed_by=catalog)
    return Believed(trusted, catalog, rows)
