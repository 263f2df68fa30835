"""The ceremony: a key document is carried to root keys that are away, signed there, and brought back."""

from pathlib import Path

import pytest
from tests.publisher.conftest import DAY, NOW, URL, own_key, profile, put_zip
from tests.publisher.reader import believe, on_disk

from pfn.protocol.document import write_payload
from pfn.protocol.dsse import write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.publisher.creation import Created, Roots, create_publisher
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.key_change import RootKeys, accept, read_payload_file, sign_payload_file
from pfn.publisher.keys import Role
from pfn.publisher.renewal import renew
from pfn.publisher.rotation import renew_document, rotate_key
from pfn.publisher.signed import read_chain, read_signed, sign_document

ANN, BOB, CAT, NEW = (SigningKey(bytes([number]) * 32) for number in range(1, 5))
LATER = NOW + DAY


@pytest.fixture
def begun(tmp_path: Path) -> Created:
    """A publisher whose root keys are three people's, two of whom must sign; nobody has."""
    roots = Roots(others=(ANN.public_key, BOB.public_key, CAT.public_key), threshold=2)
    return create_publisher(tmp_path / "a", profile(), now=NOW, roots=roots, sign_offline=tmp_path / "usb")


@pytest.fixture
def folder(begun: Created) -> PublisherFolder:
    """The same, signed by Ann and Bob."""
    assert begun.to_sign
    signed = sign_payload_file(sign_payload_file(begun.to_sign, [ANN]), [BOB])
    accept(begun.folder, [signed], now=NOW)
    return begun.folder


def read(folder: PublisherFolder, pin: SigningKey, now: int = LATER) -> int:
    believed = believe(on_disk(folder.signed), URL, pin.public_key, now=now)
    return believed.trusted.document.version


def test_until_enough_have_signed_nothing_is_published(begun: Created) -> None:
    assert begun.to_sign
    with pytest.raises(PfnError, match="not signed yet"):
        renew(begun.folder, now=NOW)
    with pytest.raises(SecurityError) as caught:
        accept(begun.folder, [sign_payload_file(begun.to_sign, [ANN])], now=NOW)
    assert caught.value.code is Code.DOCUMENT_THRESHOLD
    assert read_chain(begun.folder) == ()
    assert not (begun.folder.keys / "root.key").exists()


def test_one_after_the_other_or_each_apart(begun: Created, tmp_path: Path) -> None:
    assert begun.to_sign
    apart = [sign_payload_file(begun.to_sign, [key], tmp_path / name) for key, name in ((ANN, "ann"), (CAT, "cat"))]
    changed = accept(begun.folder, apart, now=NOW)
    assert changed.renewed
    for pin in (ANN, CAT):
        assert read(begun.folder, pin) == 1
    # The v1 key signs the first document here, where it is.
    assert read(begun.folder, own_key(begun.folder, Role.V1)) == 1
    with pytest.raises(SecurityError):
        read(begun.folder, BOB)


def test_a_change_goes_the_same_way(folder: PublisherFolder, tmp_path: Path) -> None:
    away = RootKeys(offline=tmp_path / "usb")
    put_zip(folder, "one", "1.0", now=LATER)
    changed = rotate_key(folder, Role.RELEASE, roots=away, now=LATER)
    assert changed.to_sign == tmp_path / "usb" / "publisher.2.json"
    # Nothing has changed yet: the old key signs on.
    put_zip(folder, "one", "1.1", now=LATER)
    signed = sign_payload_file(changed.to_sign, [BOB, CAT])
    assert signed.name == "publisher.2.signed.json"
    accepted = accept(folder, [signed], now=LATER)
    assert accepted.renewed
    assert accepted.document.version == 2
    put_zip(folder, "one", "1.2", now=LATER)
    row = read_signed(folder).rows["one"]
    assert row[-1].envelope.signatures != row[0].envelope.signatures
    assert read(folder, ANN) == 2


def test_a_new_root_key_signs_where_it_is(folder: PublisherFolder, tmp_path: Path) -> None:
    (tmp_path / "new.pem").write_text(NEW.public_key.pem)
    away = RootKeys(offline=tmp_path / "usb")
    which = read_signed(folder).trusted.document.root_keys[2].id
    changed = rotate_key(folder, Role.ROOT, roots=away, which=which, new_key=tmp_path / "new.pem", now=LATER)
    assert changed.to_sign
    # The two old ones are the threshold of both versions.
    accept(folder, [sign_payload_file(changed.to_sign, [ANN, BOB])], now=LATER)
    changed = renew_document(folder, roots=away, now=LATER)
    assert changed.to_sign
    accept(folder, [sign_payload_file(changed.to_sign, [BOB, NEW])], now=LATER)
    assert read(folder, NEW) == read(folder, ANN) == 3


def test_a_new_root_key_made_here_has_signed_already(folder: PublisherFolder, tmp_path: Path) -> None:
    which = read_signed(folder).trusted.document.root_keys[2].id
    changed = rotate_key(
        folder,
        Role.ROOT,
        roots=RootKeys(offline=tmp_path / "usb"),
        which=which,
        new_key=tmp_path / "new.key",
        now=LATER,
    )
    assert changed.to_sign
    envelope, _ = read_payload_file(changed.to_sign)
    assert len(envelope.signatures) == 1


def test_accepting_again_changes_nothing_of_the_document(folder: PublisherFolder, tmp_path: Path) -> None:
    changed = renew_document(folder, roots=RootKeys(offline=tmp_path / "usb"), now=LATER)
    assert changed.to_sign
    signed = sign_payload_file(changed.to_sign, [ANN, BOB])
    accept(folder, [signed], now=LATER)
    before = read_chain(folder)
    accept(folder, [sign_payload_file(changed.to_sign, [ANN])], now=LATER)
    assert read_chain(folder) == before


def test_what_was_begun_before_another_change_is_stale(folder: PublisherFolder, tmp_path: Path) -> None:
    files = []
    for name, now in (("one", LATER), ("two", LATER + 1)):
        changed = renew_document(folder, roots=RootKeys(offline=tmp_path / name), now=now)
        assert changed.to_sign
        files.append(sign_payload_file(changed.to_sign, [ANN, BOB]))
    accept(folder, files[:1], now=LATER)
    with pytest.raises(SecurityError) as caught:
        accept(folder, files[1:], now=LATER)
    assert caught.value.code is Code.DOCUMENT_FORK
    with pytest.raises(PfnError, match="same document"):
        accept(folder, files, now=LATER)


def test_a_document_for_another_publisher_is_not_accepted(begun: Created, tmp_path: Path) -> None:
    other = create_publisher(
        tmp_path / "b",
        profile("https://other.example"),
        now=NOW,
        roots=Roots(others=(ANN.public_key,)),
        sign_offline=tmp_path / "usb-b",
    )
    assert other.to_sign
    with pytest.raises(SecurityError) as caught:
        accept(begun.folder, [sign_payload_file(other.to_sign, [ANN])], now=NOW)
    assert caught.value.code is Code.DOCUMENT_MISMATCH


@pytest.mark.parametrize("content", [b"", b"[]", b'{"id":"one","name":"One","version":"1.0"}', b"PK\x03\x04"])
def test_a_root_key_signs_key_documents_and_nothing_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "given.json"
    path.write_bytes(content)
    with pytest.raises(PfnError):
        sign_payload_file(path, [ANN])
    assert list(tmp_path.iterdir()) == [path]


def test_a_root_key_does_not_sign_a_catalogue(made: PublisherFolder, tmp_path: Path) -> None:
    catalog = read_signed(made).catalog
    assert catalog
    for content in (write_payload(catalog), write_envelope(sign_document(catalog, ANN))):
        path = tmp_path / "given.json"
        path.write_bytes(content)
        with pytest.raises(PfnError):
            sign_payload_file(path, [ANN])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PfnError, match=r"none\.json"):
        read_payload_file(tmp_path / "none.json")
