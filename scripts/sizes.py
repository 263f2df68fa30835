"""Print the sizes of the source files and fail on one that outgrew its room (median 140, p90 320, none over 500)."""

import statistics
import sys
from pathlib import Path

LIMIT_MEDIAN, LIMIT_P90, LIMIT_FILE = 140, 320, 500


def main() -> int:
    """Measure every Python file below src/pfn; return 1 when a limit is passed."""
    root = Path(__file__).parent.parent / "src" / "pfn"
    sizes = sorted((len(path.read_text().splitlines()), path) for path in root.rglob("*.py"))
    lines = [size for size, _ in sizes if size > 0]
    median = statistics.median(lines)
    p90 = lines[int(len(lines) * 0.9)]
    print(f"{len(lines)} files, {sum(lines)} lines; median {median:g}, p90 {p90}, largest {lines[-1]}")
    too_large = [f"{path.relative_to(root)}: {size} lines" for size, path in sizes if size > LIMIT_FILE]
    for line in too_large:
        print(f"over {LIMIT_FILE} lines: {line}", file=sys.stderr)
    return int(bool(too_large) or median > LIMIT_MEDIAN or p90 > LIMIT_P90)


if __name__ == "__main__":
    sys.exit(main())
