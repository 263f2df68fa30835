"""Webhook signatures: held against the standard's own library (v1) and libsodium (v1a)."""

import base64
import json
import subprocess
import time
from pathlib import Path

import nacl.exceptions
import nacl.signing
import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tools import needs_tool

from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.webhook import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    TOLERANCE_S,
    WebhookKeys,
    WebhookSecret,
    read_public_key,
    read_signing_key,
    sign_message,
    verify_message,
    write_public_key,
    write_signing_key,
)

NOW = 1_800_000_000
BODY = '{"type":"version_update.plugin_updated","data":{"plugin_name":"Grüße"}}'.encode()
OLD, NEW = WebhookKeys.generate(), WebhookKeys.generate()


def tampered(headers: dict[str, str], **changes: str) -> dict[str, str]:
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


def test_the_example_of_the_standard_is_reproduced() -> None:
    # The test vector that the standard's libraries share.
    secret = WebhookSecret.parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    keys = WebhookKeys(secret, SigningKey(bytes(32)))
    headers = sign_message("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', 1_614_265_330, [keys])
    assert headers[SIGNATURE].split(" ")[0] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(body=st.text(), name=st.from_regex(r"msg_[A-Za-z0-9]{1,40}", fullmatch=True))
def test_the_standards_library_believes_what_is_signed(body: str, name: str) -> None:
    sent = body.encode(errors="replace")
    headers = sign_message(name, sent, int(time.time()), [NEW, OLD])
    for keys in (NEW, OLD):
        standardwebhooks.Webhook(keys.secret.text).verify(sent, headers, json_parse=False)
    stranger = standardwebhooks.Webhook(WebhookSecret.generate().text)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        stranger.verify(sent, headers, json_parse=False)


@given(body=st.binary())
def test_libsodium_believes_what_is_signed_with_ed25519(body: bytes) -> None:
    headers = sign_message("msg_1", body, NOW, [NEW])
    version, encoded = headers[SIGNATURE].split(" ")[1].split(",")
    assert version == "v1a"
    key = nacl.signing.VerifyKey(base64.b64decode(write_public_key(NEW.signing.public_key).removeprefix("whpk_")))
    key.verify(f"msg_1.{NOW}.".encode() + body, base64.b64decode(encoded))
    with pytest.raises(nacl.exceptions.BadSignatureError):
        key.verify(f"msg_2.{NOW}.".encode() + body, base64.b64decode(encoded))


def test_what_libsodium_and_the_standards_library_sign_is_believed() -> None:
    library = standardwebhooks.Webhook(NEW.secret.text)
    when = standardwebhooks.webhooks.datetime.fromtimestamp(NOW, standardwebhooks.webhooks.timezone.utc)
    headers = {ID: "msg_1", TIMESTAMP: str(NOW), SIGNATURE: library.sign("msg_1", when, BODY.decode())}
    assert verify_message(headers, BODY, NOW, [NEW.secret]) == "msg_1"
    signed = nacl.signing.SigningKey(NEW.signing.seed).sign(f"msg_1.{NOW}.".encode() + BODY).signature
    headers[SIGNATURE] = f"v1a,{base64.b64encode(signed).decode()}"
    assert verify_message(headers, BODY, NOW, [NEW.signing.public_key]) == "msg_1"


@pytest.mark.parametrize("keys", [OLD, NEW], ids=["old", "new"])
def test_while_keys_change_over_either_is_believed(keys: WebhookKeys) -> None:
    headers = sign_message("msg_1", BODY, NOW, [NEW, OLD])
    assert [one.partition(",")[0] for one in headers[SIGNATURE].split(" ")] == ["v1", "v1a", "v1", "v1a"]
    for trusted in (keys.secret, keys.signing.public_key):
        assert verify_message(headers, BODY, NOW, [trusted]) == "msg_1"
        upper = {name.upper(): value for name, value in headers.items()}
        assert verify_message(upper, BODY, NOW, [WebhookSecret.generate(), trusted]) == "msg_1"


@pytest.mark.parametrize("trusted", [NEW.secret, NEW.signing.public_key], ids=["v1", "v1a"])
@pytest.mark.parametrize(
    ("changes", "body", "late"),
    [
        ({"webhook_id": "msg_2"}, BODY, 0),
        ({"webhook_timestamp": str(NOW + 1)}, BODY, 0),
        ({}, BODY + b" ", 0),
        ({}, BODY, TOLERANCE_S + 1),
        ({}, BODY, -TOLERANCE_S - 1),
        ({"webhook_timestamp": f"{NOW}.0"}, BODY, 0),
        ({"webhook_timestamp": f"+{NOW}"}, BODY, 0),
        ({"webhook_timestamp": ""}, BODY, 0),
        ({"webhook_timestamp": "9" * 500}, BODY, 0),
        ({"webhook_timestamp": "١٨٠٠٠٠٠٠٠٠"}, BODY, 0),
        ({"webhook_signature": ""}, BODY, 0),
        ({"webhook_signature": "v1, v1a, v1 v1a ,"}, BODY, 0),
        ({"webhook_signature": "v1,é v1a,é"}, BODY, 0),
    ],
)
def test_what_was_tampered_with_or_is_stale_is_not_believed(
    trusted: WebhookSecret, changes: dict[str, str], body: bytes, late: int
) -> None:
    headers = sign_message("msg_1", BODY, NOW, [NEW])
    with pytest.raises(SecurityError) as refused:
        verify_message(tampered(headers, **changes), body, NOW + late, [trusted])
    assert refused.value.code is Code.SIGNATURE_INVALID


def test_a_signature_of_one_scheme_is_none_of_the_other() -> None:
    headers = sign_message("msg_1", BODY, NOW, [NEW])
    v1, v1a = (one.partition(",")[2] for one in headers[SIGNATURE].split(" "))
    for signature, trusted in (
        (f"v1a,{v1}", NEW.signing.public_key),
        (f"v1,{v1a}", NEW.secret),
        (f"v2,{v1}", NEW.secret),
    ):
        with pytest.raises(SecurityError):
            verify_message(tampered(headers, webhook_signature=signature), BODY, NOW, [trusted])


@pytest.mark.parametrize("missing", [ID, TIMESTAMP, SIGNATURE])
def test_a_message_without_a_header_is_not_believed(missing: str) -> None:
    headers = sign_message("msg_1", BODY, NOW, [NEW])
    del headers[missing]
    with pytest.raises(SecurityError):
        verify_message(headers, BODY, NOW, [NEW.secret])


def test_the_edge_of_the_tolerance_is_believed() -> None:
    headers = sign_message("msg_1", BODY, NOW, [NEW])
    for late in (TOLERANCE_S, -TOLERANCE_S):
        assert verify_message(headers, BODY, NOW + late, [NEW.secret]) == "msg_1"


@given(raw=st.binary(min_size=24, max_size=64))
def test_secrets_survive_being_written(raw: bytes) -> None:
    secret = WebhookSecret(raw)
    assert WebhookSecret.parse(secret.text) == secret
    assert secret.text.startswith("whsec_")
    assert secret.text not in repr(secret)


def test_key_pairs_survive_being_written() -> None:
    key = SigningKey.generate()
    assert read_signing_key(write_signing_key(key)) == key
    assert read_public_key(write_public_key(key.public_key)) == key.public_key
    assert write_signing_key(key).startswith("whsk_")
    assert WebhookKeys(NEW.secret, key).public_text.startswith("whpk_")


@pytest.mark.parametrize(
    "text",
    [
        *("", "whsec_", "whsec_%%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        "whsk_" + base64.b64encode(bytes(32)).decode(),
    ],
)
def test_what_is_no_secret_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(PfnError) as refused:
        WebhookSecret.parse(text)
    assert refused.value.code is Code.INVALID_FIELD
    assert len(text) < 7 or text[6:] not in refused.value.detail


@needs_tool("php")
@pytest.mark.parametrize("keys", [OLD, NEW], ids=["old", "new"])
def test_a_receiver_in_php_believes_the_same(keys: WebhookKeys) -> None:
    headers = sign_message("msg_1", BODY, int(time.time()), [NEW, OLD])
    script = Path(__file__).with_name("receive_webhook.php")

    def receive(key: str, body: str) -> str:
        given = json.dumps({"key": key, "headers": headers, "body": body})
        return subprocess.run(["php", script], input=given, capture_output=True, text=True, check=True).stdout

    for key in (keys.secret.text, keys.public_text):
        assert receive(key, BODY.decode()) == "version_update.plugin_updated"
        assert receive(key, BODY.decode() + " ") == "No signature is good."
