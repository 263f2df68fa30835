"""A policy as a text file (C2SP tlog-policy): what operators and the command line hand around.

Answers for: reading and writing. The text is UTF-8; comments are not kept, and who operates a witness is not in it.

Does not answer for: whether the policy makes sense; ``Policy`` itself refuses what contradicts itself.
"""

import re

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.note import parse_verifier_key
from pfn.protocol.log.policy import NO_QUORUM, Group, Policy, PolicyLog, Witness

MAX_POLICY_BYTES = 256 * 1024

_NUMBER = re.compile(r"[1-9][0-9]{0,3}")
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_BLANK = re.compile(r"[ \t]+")


def parse_policy(data: bytes) -> Policy:
    """Read a policy file. Raises PfnError: ``config_invalid`` with the line's number, ``invalid_public_key``."""
    logs: list[PolicyLog] = []
    witnesses: list[Witness] = []
    groups: list[Group] = []
    quorums: list[str] = []
    for number, line in enumerate(_read_lines(data), start=1):
        # Only what stands before a line can be meant in it.
        names = {*(one.name for one in witnesses), *(one.name for one in groups)}
        match _BLANK.split(line.strip(" \t")):
            case [first, *_] if not first or first.startswith("#"):
                pass
            case ["log", key, *url] if len(url) <= 1:
                logs.append(PolicyLog(parse_verifier_key(key), *url))
            case ["witness", name, key, *url] if len(url) <= 1:
                witnesses.append(Witness(name, parse_verifier_key(key), *url))
            case ["group", name, count, *members] if names.issuperset(members):
                groups.append(Group(name, _read_threshold(count, len(members), number), tuple(members)))
            case ["quorum", name] if name in {NO_QUORUM, *names}:
                quorums.append(name)
            case [kind, *_]:
                raise _refused(f"line {number} is no line of {kind[:16]} that can stand there")
    if len(quorums) != 1:
        raise _refused("it must have exactly one quorum line")
    return Policy(tuple(logs), tuple(witnesses), tuple(groups), quorums[0])


def write_policy(policy: Policy) -> bytes:
    """The text of a policy. ValueError where a name or URL cannot be written."""
    rows = [
        *(["log", log.key.text, *_given(log.url)] for log in policy.logs),
        *(["witness", witness.name, witness.key.text, *_given(witness.url)] for witness in policy.witnesses),
        *(["group", group.name, str(group.threshold), *group.members] for group in policy.groups),
        ["quorum", policy.quorum],
    ]
    for row in rows:
        if not all(word and not _BLANK.search(word) and "\n" not in word for word in row):
            raise ValueError("the names and URLs in a policy have no blanks")
    return "".join(" ".join(row) + "\n" for row in rows).encode()


def _read_lines(data: bytes) -> list[str]:
    if len(data) > MAX_POLICY_BYTES:
        raise _refused(f"it has {len(data)} bytes, and at most {MAX_POLICY_BYTES} are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _refused("it is not UTF-8") from error
    if _FORBIDDEN.search(text):
        raise _refused("it has a control character in it")
    *lines, rest = text.split("\n")
    if rest:
        raise _refused("its last line does not end in a newline")
    return lines


def _given(url: str | None) -> list[str]:
    return [] if url is None else [url]


def _read_threshold(text: str, members: int, number: int) -> int:
    if text in {"all", "any"}:
        return members if text == "all" else 1
    if _NUMBER.fullmatch(text) is None:
        raise _refused(f"line {number} has neither a number nor all nor any before the members")
    return int(text)


def _refused(what: str) -> PfnError:
    return PfnError(Code.CONFIG_INVALID, f"The policy file cannot be used: {what}.")
