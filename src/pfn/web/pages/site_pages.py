"""All pages, put on the site: one module per page or action."""

from fastapi import FastAPI

from pfn.web.pages import (
    activity,
    assets,
    home,
    peer,
    peer_add,
    peer_change,
    plugin,
    quarantine,
    sign_in,
    sign_out,
    source,
    source_add,
    source_custody,
    source_gate,
    source_policy,
    source_remove,
    source_suspend,
    source_sync,
    source_verify,
    subscribe,
    webhook,
    webhook_remove,
    webhook_send,
)

_PAGES = (
    home,
    activity,
    sign_in,
    sign_out,
    plugin,
    # Before `source`, which takes any one word after /sources/.
    source_add,
    source,
    source_verify,
    source_sync,
    source_suspend,
    source_policy,
    source_remove,
    source_gate,
    source_custody,
    subscribe,
    quarantine,
    webhook,
    webhook_send,
    webhook_remove,
    peer,
    peer_add,
    peer_change,
    assets,
)


def mount(site: FastAPI) -> None:
    """Add every page and the files they use."""
    for page in _PAGES:
        site.include_router(page.router)
