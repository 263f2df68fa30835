"""Logs: structured, to standard error, one event a line, with every secret masked.

Masked wherever they stand, however deep: API keys, webhooks' secrets, bearer tokens, and passwords in URLs. Text from
strangers cannot begin a line of its own; only tracebacks have several.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

from pfn.protocol.api_key import redact
from pfn.tracing import trace_ids


def configure_logging(log_format: str, level: str) -> None:
    """Set up logging for this process; ``log_format`` is ``console`` or ``json``."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=_write_json)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_trace,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _mask,
    ]
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Looked up at every line: who replaces standard error later, a test runner say, is heeded.
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
    )
    # Libraries speak through the standard module; theirs go the same way.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)


def _name_trace(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say to which trace a line belongs, where one is recorded."""
    event.update(trace_ids())
    return event


def _write_json(event: object, **_: object) -> str:
    return _JSON.encode(event)


# The library would make one for every line.
_JSON = json.JSONEncoder(default=repr)
# What no secret can do without, looked for once before each is; none of these is no secret.
_SUSPICIOUS = re.compile(r"(?i)_|bearer |://")
_SECRETS = (
    (re.compile(r"\b(wh(?:sec|sk)_)[A-Za-z0-9+/=_-]+"), r"\1***"),
    (re.compile(r"(?i)\b(bearer )\S+"), r"\1***"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1***@"),
)
_SEVERAL_LINES = frozenset({"exception", "stack"})


def _mask(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {
        key: _mask_text(value) if key in _SEVERAL_LINES and isinstance(value, str) else _clean(value)
        for key, value in event.items()
    }


def _clean(value: object) -> object:
    """Give a value as it may be logged."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str) and value.isprintable() and not _SUSPICIOUS.search(value):
        return value
    if isinstance(value, Mapping):
        return {str(_clean(key)): _clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(one) for one in value]
    return "".join(one if one.isprintable() else _escape(one) for one in _mask_text(str(value)))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _mask_text(text: str) -> str:
    text = redact(text)
    for pattern, masked in _SECRETS:
        text = pattern.sub(masked, text)
    return text
