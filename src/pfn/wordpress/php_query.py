"""Names with brackets in queries and forms, read as PHP reads them: WordPress core writes its questions so.

``request[slug]=hello&request[fields][sections]=0&request[installed_plugins][]=a`` becomes a tree of dictionaries with
strings as leaves. It answers for what ``http_build_query`` writes and for surviving everything else: what PHP does with
names that no PHP would write (dots, spaces, brackets never closed) is not copied, such a name is taken as it is.

Rules: the last of several equal names counts; ``[]`` is the next whole number; a value where there was a branch, and a
branch where there was a value, replaces it; fields beyond the first thousand are left out, as are those too deep.
"""

import re
from typing import TypeAlias
from urllib.parse import parse_qsl

Tree: TypeAlias = "dict[str, str | Tree]"

MOST_FIELDS = 1_000
DEEPEST = 8
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY = re.compile(r"\[([^\[\]]*)\]")


def parse_query(text: str) -> Tree:
    """Read a query string or an url-encoded form; nothing is refused, nothing raised."""
    tree: Tree = {}
    # One piece more than is wanted: the rest, which is not looked at.
    pieces = text.split("&", MOST_FIELDS)[:MOST_FIELDS]
    for name, value in parse_qsl("&".join(pieces), keep_blank_values=True):
        if name:
            _put(tree, name, value.replace("\0", ""))
    return tree


def branch(tree: Tree, name: str) -> Tree:
    """Give what is below a name; nothing where that is a string."""
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def leaf(tree: Tree, name: str) -> str:
    """Give the string of a name, trimmed; an empty one where there is none."""
    found = tree.get(name)
    return found.strip() if isinstance(found, str) else ""


def number(tree: Tree, name: str, default: int) -> int:
    """Give the whole number of a name; ``default`` where there is none."""
    text = leaf(tree, name)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _put(tree: Tree, name: str, value: str) -> None:
    found = _NAME.fullmatch(name)
    keys = [found[1], *_KEY.findall(found[2])] if found else [name]
    if len(keys) > DEEPEST:
        return
    for key in keys[:-1]:
        below = tree.setdefault(_key(tree, key), {})
        if not isinstance(below, dict):
            below = tree[key] = {}
        tree = below
    tree[_key(tree, keys[-1])] = value


def _key(tree: Tree, key: str) -> str:
    if key:
        return key
    return str(max((int(one) for one in tree if one.isascii() and one.isdigit()), default=-1) + 1)
