"""What runs in the processes that ``zip_check`` has zips judged in.

A judge loads this and what it imports, and neither rows nor web: ten megabytes each, instead of a node's hundred.
"""

import mmap
import multiprocessing
import multiprocessing.connection
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from pfn.domain.zip_verdict import ZipVerdict, from_report
from pfn.wordpress.plugin_zip import ZipReport, inspect_zip


def follow_parent() -> None:
    """End this process when the node does, however it ended: a killed node must leave nobody behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # it runs in a child only

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def judge_all(paths: Sequence[Path]) -> Sequence[ZipVerdict | Exception]:
    """Give the verdict on the zip in each file, or the OSError that reading it raised."""
    return [_judge(path) for path in paths]


def _judge(path: Path) -> ZipVerdict | Exception:
    try:
        return from_report(_inspect(path))
    except OSError as error:
        return error


def _inspect(path: Path) -> ZipReport:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return inspect_zip(b"")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return inspect_zip(data)
