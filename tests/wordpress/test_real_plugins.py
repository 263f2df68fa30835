"""Headers and readmes of plugins that people really use."""

import zipfile
from dataclasses import dataclass

import pytest
from tests.support.real_plugins import RealPlugin

from pfn.wordpress.header import parse_plugin_header
from pfn.wordpress.readme import parse_readme
from pfn.wordpress.slug import is_slug
from pfn.wordpress.version import is_version


@dataclass(frozen=True, slots=True)
class Facts:
    """What a person reads in the files; what changes with every release is left out."""

    name: str
    author: str
    license: str
    text_domain: str
    readme_name: str
    contributor: str
    tag: str
    short_description: str
    sections: set[str]


FACTS = {
    "akismet": Facts(
        name="Akismet Anti-Spam",
        author="Automattic",
        license="GPLv2 or later",
        text_domain="akismet",
        readme_name="Akismet Spam Protection",
        contributor="matt",
        tag="spam",
        short_description="The best anti-spam protection to block spam comments and spam in a contact form.",
        sections={"description", "installation", "changelog"},
    ),
    "http-authentication": Facts(
        name="HTTP Authentication",
        author="Katharina Drexel",
        license="",
        text_domain="",
        readme_name="HTTP Authentication",
        contributor="dwc",
        tag="ldap",
        short_description="Use an external authentication source in WordPress. Put user into wordpress role",
        sections={"installation", "faq", "screenshots", "changelog"},
    ),
    "shibboleth": Facts(
        name="Shibboleth",
        author="Will Norris, mitcho (Michael 芳貴 Erlewine), Michael McNeill",
        license="Apache 2 (http://www.apache.org/licenses/LICENSE-2.0.html)",
        text_domain="",
        readme_name="Shibboleth",
        contributor="willnorris",
        tag="saml",
        short_description="Allows WordPress to externalize user authentication and account creation",
        sections={"description", "installation", "faq", "screenshots", "upgrade_notice", "changelog"},
    ),
    "xrds-simple": Facts(
        name="XRDS-Simple",
        author="DiSo Development Team",
        license="MIT license (http://www.opensource.org/licenses/mit-license.php)",
        text_domain="",
        readme_name="XRDS-Simple",
        contributor="pfefferle",
        tag="discovery",
        short_description="Provides framework for other plugins to advertise services via XRDS.",
        sections={"description", "installation", "faq", "changelog"},
    ),
}


def read(plugin: RealPlugin, name: str) -> bytes:
    with zipfile.ZipFile(plugin.zip) as archive:
        return archive.read(f"{plugin.slug}/{name}")


def test_all_four_are_there(real_plugins: list[RealPlugin]) -> None:
    assert [plugin.slug for plugin in real_plugins] == sorted(FACTS)
    assert all(is_slug(plugin.slug) and is_version(plugin.version) for plugin in real_plugins)


@pytest.mark.parametrize("slug", FACTS)
def test_header_and_readme_say_what_a_person_reads_in_them(slug: str, real_plugins: list[RealPlugin]) -> None:
    plugin = next(plugin for plugin in real_plugins if plugin.slug == slug)
    facts = FACTS[slug]
    header = parse_plugin_header(read(plugin, f"{slug}.php"))
    assert header is not None
    assert (header.name, header.author, header.license) == (facts.name, facts.author, facts.license)
    assert (header.version, header.text_domain) == (plugin.version, facts.text_domain)
    assert not header.network
    readme = parse_readme(read(plugin, "readme.txt").decode("utf-8", "replace"))
    assert readme.name == facts.readme_name
    assert readme.stable_tag == plugin.version
    assert facts.contributor in readme.contributors
    assert facts.tag in readme.tags
    assert readme.short_description.startswith(facts.short_description)
    assert set(readme.sections) == facts.sections
    assert is_version(readme.requires_at_least)
    assert is_version(readme.tested_up_to)
