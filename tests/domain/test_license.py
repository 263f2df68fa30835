"""SPDX identifiers of what plugins call their licenses."""

import pytest

from pfn.domain.license import spdx_license


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("GPL-2.0-or-later", "GPL-2.0-or-later"),
        ("GPLv2 or later", "GPL-2.0-or-later"),
        ("GPL v2 or later", "GPL-2.0-or-later"),
        ("GPLv2+", "GPL-2.0-or-later"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        ("GPLv2  or later.", "GPL-2.0-or-later"),
        ("GNU General Public License v3 or later", "GPL-3.0-or-later"),
        ("GPL2", "GPL-2.0-only"),
        ("GPLv3", "GPL-3.0-only"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("GPL-2.0-only", "GPL-2.0-only"),
        ("LGPLv2.1", "LGPL-2.1-only"),
        ("AGPL-3.0-or-later", "AGPL-3.0-or-later"),
        ("MIT", "MIT"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("GPL", None),
        ("GPL-2.1", None),
        ("AGPLv2", None),
        ("GPLv2 or later, and MIT", None),
        ("Proprietary", None),
        ("", None),
    ],
)
def test_a_license_has_the_identifier_it_surely_means(text: str, identifier: str | None) -> None:
    assert spdx_license(text) == identifier
