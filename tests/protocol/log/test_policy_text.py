"""The policy file of the specification."""

import pytest
from tests.protocol.log.trees import KNOWN_LOG, KNOWN_WITNESSES, OTHER_LOG

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.policy import Group, Policy, PolicyLog, Witness, require_operators
from pfn.protocol.log.policy_text import MAX_POLICY_BYTES, parse_policy, write_policy

LOG = KNOWN_LOG.key.text
W = [witness.key.text for witness in KNOWN_WITNESSES]

EXAMPLE = f"""
log {LOG}

witness X1 {W[0]}
 witness\tX2   {W[1]}  https://two.example/w
witness X3 {W[2]}
# a comment
group X-witnesses 2 X1 X2 X3

witness Y1 {W[3]}
\t# another
witness Y2 {W[4]}
group Y-witnesses any Y1 Y2

group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
"""


def test_the_example_of_the_specification():
    policy = parse_policy(EXAMPLE.encode())
    assert policy.logs == (KNOWN_LOG,)
    assert policy.witnesses[1] == Witness("X2", KNOWN_WITNESSES[1].key, "https://two.example/w")
    assert policy.groups == (
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    )
    assert policy.is_met_by(["X1", "X3", "Y2"])
    assert not policy.is_met_by(["X1", "X2", "X3"])
    assert parse_policy(write_policy(policy)) == policy


def test_none_and_a_witness_named_in_another_script():
    assert parse_policy(b"quorum none\n") == Policy(())
    named = Policy((KNOWN_LOG,), (Witness("свидетель", KNOWN_WITNESSES[0].key),), (), "свидетель")
    assert parse_policy(write_policy(named)) == named


def test_a_policy_of_operators_is_written_as_groups():
    logs = [KNOWN_LOG, PolicyLog(OTHER_LOG.verifier_key, "https://other.example.net/log")]
    policy = require_operators(logs, KNOWN_WITNESSES, 3)
    assert parse_policy(write_policy(policy)) == policy


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.CONFIG_INVALID),
        ("quorum none", Code.CONFIG_INVALID),
        ("quorum none\nquorum none\n", Code.CONFIG_INVALID),
        ("quorum none none\n", Code.CONFIG_INVALID),
        ("quorum\n", Code.CONFIG_INVALID),
        (f"quorum A\nwitness A {W[0]}\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g 1 A B\nwitness B {W[1]}\nquorum g\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g 0 A\nquorum g\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g 01 A\nquorum g\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g 2 A\nquorum g\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g some A\nquorum g\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g ١ A\nquorum g\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g 1\nquorum g\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g all\nquorum A\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]}\ngroup g any none\nquorum A\n", Code.CONFIG_INVALID),
        (f"witness A {W[0]} u v\nquorum A\n", Code.CONFIG_INVALID),
        (f"witness A\u00a0{W[0]}\nquorum none\n", Code.CONFIG_INVALID),
        (f"log {LOG}\nlog {LOG}\nquorum none\n", Code.CONFIG_INVALID),
        (f"log {W[0]}\nquorum none\n", Code.CONFIG_INVALID),
        (f"witness A {LOG}\nquorum none\n", Code.CONFIG_INVALID),
        ("log nothing\nquorum none\n", Code.INVALID_KEY),
        ("lag x\nquorum none\n", Code.CONFIG_INVALID),
        ("quorum none\r\n", Code.CONFIG_INVALID),
        ("quorum none\n\x7f\n", Code.CONFIG_INVALID),
        ("#" * MAX_POLICY_BYTES + "\nquorum none\n", Code.CONFIG_INVALID),
    ],
)
def test_what_is_no_policy(text, code):
    with pytest.raises(PfnError) as caught:
        parse_policy(text.encode())
    assert caught.value.code is code


def test_bytes_that_are_not_utf_8():
    with pytest.raises(PfnError) as caught:
        parse_policy(b"# \xff\nquorum none\n")
    assert caught.value.code is Code.CONFIG_INVALID


@pytest.mark.parametrize("name", ["two words", "", "a\nb"])
def test_a_name_that_cannot_be_written(name):
    policy = Policy((), (Witness(name, KNOWN_WITNESSES[0].key),))
    with pytest.raises(ValueError, match="no blanks"):
        write_policy(policy)
