"""``Retry-After`` in both its forms, and nonsense."""

import pytest

from pfn.outbound.retry_after import read_retry_after

DATE = "Fri, 31 Jul 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": " 120 "}, 120),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "1.5"}, None),
        ({"Retry-After": "٣"}, None),
        ({"Retry-After": "9" * 5000}, None),
        ({"Retry-After": "soon"}, None),
        # A date is measured from the answer's own.
        ({"Retry-After": "Fri, 31 Jul 2026 10:05:00 GMT", "Date": DATE}, 300),
        ({"Retry-After": "Fri, 31 Jul 2026 09:00:00 GMT", "Date": DATE}, 0),
        ({"Retry-After": "Fri, 31 Jul 2026 12:05:00 +0200", "Date": DATE}, 300),
        ({"Retry-After": "Fri, 31 Jul 2026 10:05:00 -0000", "Date": DATE}, 300),
        ({"Retry-After": "Fri, 31 Jul 2026 10:05:00 GMT"}, None),
        ({"Retry-After": "Fri, 99 Jul 2026 10:05:00 GMT", "Date": DATE}, None),
    ],
)
def test_what_was_asked(headers, seconds):
    assert read_retry_after(headers) == seconds
