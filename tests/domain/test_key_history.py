"""What key documents changed, told step by step."""

import pytest

from pfn.domain.key_history import KeyChange, KeyStep, fingerprint_of, list_steps
from pfn.protocol.document import DocumentKey
from pfn.protocol.dsse import key_id
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.publisher_document import PublisherDocument, ReleaseKey, RevokedKey

ROOT, OTHER, RELEASE, NEXT, OWNER = (SigningKey.generate().public_key for _ in range(5))


def listed(*keys: object) -> tuple[DocumentKey, ...]:
    return tuple(DocumentKey(id=key_id(key), key=key) for key in keys)


def make(version: int = 1, **changes: object) -> PublisherDocument:
    members: dict[str, object] = {
        "source": "ann@one.example",
        "instance_url": "https://one.example",
        "version": version,
        "previous": None if version == 1 else "0" * 64,
        "root_keys": listed(ROOT),
        "threshold": 1,
        "release_keys": (ReleaseKey(id=key_id(RELEASE), key=RELEASE, not_before=1),),
        "ownership_keys": listed(OWNER),
        "expires": 2_000_000_000,
    }
    return PublisherDocument.model_validate(members | changes)


def compare(*documents: PublisherDocument) -> tuple[KeyStep, ...]:
    """Give the steps of documents, the first of which is the oldest."""
    return list_steps([(document, 10 * document.version) for document in reversed(documents)])


def test_nothing_has_no_history() -> None:
    assert list_steps([]) == ()


def test_the_first_keys_are_all_new() -> None:
    (step,) = compare(make())
    assert step.received_at == 10
    assert not step.is_handover
    assert step.changes == (
        (KeyChange.ROOT_ADDED, ROOT.fingerprint),
        (KeyChange.RELEASE_ADDED, RELEASE.fingerprint),
        (KeyChange.OWNERSHIP_ADDED, OWNER.fingerprint),
    )


def test_the_newest_comes_first_and_the_same_keys_are_no_change() -> None:
    steps = compare(make(), make(2))
    assert [step.document.version for step in steps] == [2, 1]
    assert steps[0].changes == ()


CHANGES = {
    "a release key more": (
        {"release_keys": [ReleaseKey(id=key_id(one), key=one, not_before=1) for one in (RELEASE, NEXT)]},
        [(KeyChange.RELEASE_ADDED, NEXT)],
        False,
    ),
    "no ownership key": ({"ownership_keys": ()}, [(KeyChange.OWNERSHIP_DROPPED, OWNER)], False),
    "a revoked release key": (
        {
            "release_keys": (),
            "revoked": (RevokedKey(id=key_id(RELEASE), reason="It leaked.", compromised_since=5),),
        },
        [(KeyChange.RELEASE_DROPPED, RELEASE), (KeyChange.REVOKED, RELEASE)],
        False,
    ),
    "a root key more": ({"root_keys": listed(ROOT, OTHER)}, [(KeyChange.ROOT_ADDED, OTHER)], False),
    "other hands": (
        {"root_keys": listed(OTHER)},
        [(KeyChange.ROOT_ADDED, OTHER), (KeyChange.ROOT_DROPPED, ROOT)],
        True,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_named(name: str) -> None:
    members, expected, handover = CHANGES[name]
    step = compare(make(), make(2, **members))[0]
    assert step.changes == tuple((change, key.fingerprint) for change, key in expected)
    assert step.is_handover is handover


def test_a_revocation_is_news_once() -> None:
    revoked = {
        "release_keys": (),
        "revoked": (RevokedKey(id=key_id(RELEASE), reason="It leaked.", compromised_since=5),),
    }
    assert compare(make(), make(2, **revoked), make(3, **revoked))[0].changes == ()


def test_an_id_and_a_key_have_one_fingerprint() -> None:
    assert fingerprint_of(key_id(ROOT)) == ROOT.fingerprint
