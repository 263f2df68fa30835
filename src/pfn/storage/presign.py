"""Sign a URL under which anybody may fetch one object of a bucket for a while (AWS Signature Version 4, in the query).

Only this spelling of it: a GET, with the bucket in the path, of bytes that answer as a file to save. The client of the
bucket can sign too, but not the headers of the answer.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Signer:
    """A key for one bucket; ``base`` is the bucket's URL, without a slash at its end."""

    base: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)

    def sign(self, key: str, at: float, seconds: int, answer: dict[str, str]) -> str:
        """Give a URL that holds for ``seconds`` from ``at`` (Unix seconds) on.

        ``answer`` names headers of its answer as the query spells them, such as ``response-content-disposition``.
        """
        parts = urlsplit(f"{self.base}/{quote(key)}")
        moment = datetime.fromtimestamp(at, UTC)
        stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
        scope = f"{day}/{self.region}/s3/aws4_request"
        query = _write_query(
            {
                **answer,
                "X-Amz-Algorithm": _ALGORITHM,
                "X-Amz-Credential": f"{self.access_key}/{scope}",
                "X-Amz-Date": stamp,
                "X-Amz-Expires": str(seconds),
                "X-Amz-SignedHeaders": "host",
            }
        )
        request = f"GET\n{parts.path}\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        text = f"{_ALGORITHM}\n{stamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        signing_key = f"AWS4{self.secret_key}".encode()
        for step in (day, self.region, "s3", "aws4_request"):
            signing_key = _hmac(signing_key, step)
        return f"{parts.geturl()}?{query}&X-Amz-Signature={_hmac(signing_key, text).hex()}"


def _write_query(values: dict[str, str]) -> str:
    """Write a query as it is signed: sorted, every byte escaped that is not unreserved, a space as ``%20``."""
    return urlencode(sorted(values.items()), quote_via=quote, safe="")


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
