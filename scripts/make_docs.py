"""Write the parts of the docs that are made from the code: the table of error codes in docs/api.md."""

from pathlib import Path

from pfn.protocol.errors import Code

API = Path(__file__).resolve().parent.parent / "docs" / "api.md"
BEGIN, END = "<!-- codes: made by scripts/make_docs.py -->\n", "<!-- end of codes -->\n"


def make_table() -> str:
    """Give the table of every error code."""
    rows = [f"| `{code.slug}` | {code.status} | {code.fault} | {code.title} |" for code in Code]
    return "\n".join(["| code | status | fault | means |", "|---|---|---|---|", *rows]) + "\n"


def main() -> None:
    """Put the table into the page."""
    text = API.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    API.write_text(head + BEGIN + make_table() + END + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
