"""A browser without a screen: keeps cookies, follows redirects, reads pages, sends their forms."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
VOID = {"meta", "link", "input", "br", "img", "hr", "wbr"}


@dataclass
class Form:
    """A form as it stands in a page: where it goes and what its fields hold."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class Page(HTMLParser):
    """An answer that is HTML: its tags with their attributes, its forms, its text as people see it."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__(convert_charrefs=True)
        self.answer = answer
        self.status = answer.status_code
        self.path = answer.url.path
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.pieces: list[str] = []
        self.open: list[str] = []
        self._select = self._textarea = ""
        self.feed(answer.text)
        self.text = " ".join("".join(self.pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        name = given.get("name", "")
        match tag:
            case "form":
                self.forms.append(Form(given["action"], given.get("method", "get")))
            case "input" if given.get("type") not in {"checkbox", "radio"} or "checked" in given:
                self.forms[-1].fields[name] = given.get("value", "")
            case "select":
                self._select = name
            case "option" if "selected" in given:
                self.forms[-1].fields[self._select] = given["value"]
            case "textarea":
                self._textarea = name
                self.forms[-1].fields[name] = ""

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()
        if tag == "textarea":
            self._textarea = ""

    def handle_data(self, data: str) -> None:
        if self._textarea:
            self.forms[-1].fields[self._textarea] += data
        self.pieces.append(data)

    def form(self, action: str) -> Form:
        """Give the form that goes to ``action``."""
        found = [form for form in self.forms if form.action == action]
        assert len(found) == 1, f"{len(found)} forms go to {action}; there are {[form.action for form in self.forms]}"
        return found[0]

    def has_form(self, action: str) -> bool:
        """Tell whether a form goes to ``action``."""
        return any(form.action == action for form in self.forms)

    def foreign_scripts(self) -> list[dict[str, str]]:
        """Give every script but the site's own module."""
        found = [given for tag, given in self.tags if tag == "script"]
        return [
            given
            for given in found
            if given.keys() != {"type", "src", "blocking"} or not given["src"].startswith("/static/")
        ]

    def links(self) -> set[str]:
        """Give where links lead."""
        return {given["href"] for tag, given in self.tags if tag == "a"}


class Browser:
    """One person's browser."""

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.http = httpx.AsyncClient(
            base_url=url, headers={"Accept": ACCEPT}, follow_redirects=True, timeout=60, transport=transport
        )

    async def open(self, path: str, **query: str) -> Page:
        """Open a page."""
        return Page(await self.http.get(path, params=query or None))

    async def send(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        """Send a form as a browser does from the site's own page."""
        site = {"Sec-Fetch-Site": "same-origin"}
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return Page(await self.http.post(path, data=fields, headers=site | given))

    async def submit(self, page: Page, action: str, **fields: str) -> Page:
        """Fill in and send one of a page's forms."""
        form = page.form(action)
        assert form.method == "post"
        return await self.send(form.action, form.fields | fields)

    async def sign_in(self, key: str) -> Page:
        """Sign in."""
        return await self.submit(await self.open("/sign-in"), "/sign-in", key=key)
