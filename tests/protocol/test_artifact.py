import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signed import RELEASE, RELEASE_2, STRANGER, statement

from pfn.protocol.artifact import check_artifact, check_artifact_signature, manifest_hash, sign_artifact
from pfn.protocol.dsse import pae
from pfn.protocol.errors import Code, SecurityError

ZIP = b"not a real zip"
DIGESTS = {"sha256": hashlib.sha256(ZIP).hexdigest(), "sha384": hashlib.sha384(ZIP).hexdigest()}
STATEMENT = statement(length=len(ZIP), **DIGESTS)
SHA384 = hashlib.sha384(ZIP).digest()


def test_the_signed_zip_passes():
    check_artifact(STATEMENT, length=len(ZIP), **DIGESTS)


@pytest.mark.parametrize(
    "changed",
    [{"length": len(ZIP) + 1}, {"sha256": "00" * 32}, {"sha384": "00" * 48}, {"sha256": DIGESTS["sha256"].upper()}],
)
def test_any_difference_is_another_zip(changed):
    with pytest.raises(SecurityError) as refused:
        check_artifact(STATEMENT, **{"length": len(ZIP), **DIGESTS} | changed)
    assert refused.value.code is Code.ARTIFACT_DIGEST


def test_the_signature_is_over_the_raw_digest_by_one_of_the_keys():
    signature = sign_artifact(RELEASE, SHA384)
    assert signature == RELEASE.sign(SHA384)
    keys = [RELEASE_2.public_key, RELEASE.public_key]
    assert check_artifact_signature(keys, sha384=SHA384, signature=signature) == RELEASE.public_key


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(64),
        sign_artifact(STRANGER, SHA384),
        sign_artifact(RELEASE, bytes(48)),
        RELEASE.sign(DIGESTS["sha384"].encode()),
        RELEASE.sign(pae("application/octet-stream", SHA384)),
        RELEASE.sign(ZIP),
    ],
    ids=["none", "zeros", "a stranger", "another zip", "the hex digest", "an envelope", "the zip"],
)
def test_another_signature_is_refused(signature):
    with pytest.raises(SecurityError) as refused:
        check_artifact_signature([RELEASE.public_key], sha384=SHA384, signature=signature)
    assert refused.value.code is Code.ARTIFACT_SIGNATURE


@pytest.mark.parametrize("digest", [b"", SHA384[:-1], SHA384 + b"x", DIGESTS["sha384"].encode()])
def test_nothing_but_48_bytes_is_signed_or_checked(digest):
    with pytest.raises(ValueError, match="48 bytes"):
        sign_artifact(RELEASE, digest)
    with pytest.raises(ValueError, match="48 bytes"):
        check_artifact_signature([RELEASE.public_key], sha384=digest, signature=RELEASE.sign(digest))


def test_a_manifest_is_hashed_line_by_line():
    files = [("hello-world/é.php", 3, "bb" * 32), ("hello-world/a.php", 12, "aa" * 32)]
    text = f"{'aa' * 32} 12 hello-world/a.php\n{'bb' * 32} 3 hello-world/é.php\n"
    assert manifest_hash(files) == hashlib.sha256(text.encode()).hexdigest()


@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\n")), st.integers(0), st.just("aa")),
        max_size=6,
    )
)
def test_the_order_in_which_files_are_told_says_nothing(files):
    by_bytes = sorted(files, key=lambda file: file[0].encode())
    assert manifest_hash(files) == manifest_hash(reversed(files)) == manifest_hash(by_bytes)


def test_a_path_cannot_write_a_second_line():
    with pytest.raises(ValueError, match="line ends"):
        manifest_hash([(f"a\n{'bb' * 32} 1 b", 1, "aa" * 32)])
