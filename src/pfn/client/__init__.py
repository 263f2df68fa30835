"""Verify a download; talk to a node.

``read_documents`` brings what a publisher signed, ``verify_download`` judges a zip by it, ``parse_public_key`` reads
the key to judge by. Nothing here trusts a node.
"""

from pfn.client.documents import find_instance_url, read_documents
from pfn.client.verification import (
    Documents,
    DownloadRefusedError,
    Known,
    VerifiedDownload,
    verify_download,
)
from pfn.protocol.check import Check
from pfn.protocol.ed25519 import PublicKey, parse_public_key

__all__ = [
    "Check",
    "Documents",
    "DownloadRefusedError",
    "Known",
    "PublicKey",
    "VerifiedDownload",
    "find_instance_url",
    "parse_public_key",
    "read_documents",
    "verify_download",
]
