"""The composition root: settings in, a wired node out. It alone knows all the parts."""

from pfn.app.examine import examine, look_over_log
from pfn.app.move import back_up_node, move_node, read_database
from pfn.app.prepare import (
    Prepared,
    bucket_address,
    database_url,
    describe_node,
    node_url,
    outbound_policy,
    prepare,
    warnings,
)
from pfn.app.serve import DRAIN_S, begin_stop, build_app, make_outlet, make_worker
from pfn.app.wiring import open_services

__all__ = [
    "DRAIN_S",
    "Prepared",
    "back_up_node",
    "begin_stop",
    "bucket_address",
    "build_app",
    "database_url",
    "describe_node",
    "examine",
    "look_over_log",
    "make_outlet",
    "make_worker",
    "move_node",
    "node_url",
    "open_services",
    "outbound_policy",
    "prepare",
    "read_database",
    "warnings",
]
