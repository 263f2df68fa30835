"""API keys: make, list, revoke."""

from fastapi import APIRouter

from pfn.protocol.api_key import Prefix
from pfn.services.access import NewKey
from pfn.web.access import KeyAdmin, Node
from pfn.web.api.answers import Json, NewKeyAnswer
from pfn.web.api.requests import CreateKey, RevokeKey
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["API keys"], route_class=StrictRoute)


@router.post("/create-admin-key")
async def create_admin_key(body: CreateKey, grant: KeyAdmin, node: Node) -> NewKeyAnswer:
    """Make an admin key. The answer is the only place the key is ever shown; ``created`` is in milliseconds."""
    return _answer(
        await node.access.create(
            grant,
            body.description,
            scopes=body.scopes,
            expires_in_days=body.expires_in_days,
            owner=body.owner,
        )
    )


@router.post("/create-subscriber-key")
async def create_subscriber_key(body: CreateKey, grant: KeyAdmin, node: Node) -> NewKeyAnswer:
    """Make a subscriber's key: it may subscribe and read, not administer."""
    return _answer(
        await node.access.create(
            grant,
            body.description,
            kind=Prefix.SUBSCRIBER,
            scopes=body.scopes,
            expires_in_days=body.expires_in_days,
            owner=body.owner,
        )
    )


@router.get("/keys")
async def list_keys(grant: KeyAdmin, node: Node) -> list[Json]:
    """List every key that was made, without its secret."""
    return [key.to_json(node.clock()) for key in await node.access.list(grant)]


@router.post("/revoke-key")
async def revoke_key(body: RevokeKey, grant: KeyAdmin, node: Node) -> Json:
    """End a key at once and for good, with the browser sessions it opened."""
    return {"success": True, "key": (await node.access.revoke(grant, body.id)).to_json(node.clock())}


def _answer(new: NewKey) -> NewKeyAnswer:
    return NewKeyAnswer(
        key=new.text,
        description=new.key.description,
        created=new.key.created_at * 1000,
        id=new.key.id,
        owner=new.key.owner,
        scopes=sorted(new.key.scopes),
        expires_at=new.key.expires_at,
    )
