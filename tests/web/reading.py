"""Reading pages in tests: what is rendered, and what no page may hold."""

from __future__ import annotations

from html.parser import HTMLParser

from app.web.static_files import static

VOID = set("area base br col embed hr img input link meta source track wbr path circle rect use".split())


class Outline(HTMLParser):
    """A page's elements, links, texts by id; `faults` name what does not belong on one of our pages."""

    def __init__(self, page: str, scripts: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._scripts = {static(name) for name in scripts}
        self.faults: list[str] = []
        self.ids: set[str] = set()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.forms: list[tuple[str, str]] = []
        self.tokens = 0
        self._open: list[str] = []
        self._text: dict[str, list[str]] = {}
        self._inside: list[str | None] = []
        self.feed(page)
        self.close()
        self.faults += [f"<{tag}> stays open" for tag in self._open]

    def text_of(self, id_: str) -> str:
        return "".join(self._text[id_])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if len(values) != len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        self._judge(tag, values)
        if "id" in values:
            if values["id"] in self.ids:
                self.faults.append(f"id {values['id']} twice")
            self.ids.add(values["id"])
            self._text[values["id"]] = []
        if tag == "form" and values.get("method") == "post":
            self.forms.append((values["action"], values["method"]))
        if values.get("name") == "csrf":
            self.tokens += 1
        if tag not in VOID:
            self._open.append(tag)
            self._inside.append(values.get("id"))

    def _judge(self, tag: str, values: dict[str, str]) -> None:
        if tag == "script" and values.get("src") in self._scripts:
            return
        if tag in {"script", "style", "iframe", "object", "embed", "base", "img"}:
            self.faults.append(f"<{tag}>")
        self.faults += [f"<{tag} {name}>" for name in values if name == "style" or name.startswith("on")]
        for name in ("href", "src", "action", "data", "formaction"):
            url = values.get(name, "")
            if url.startswith("#"):
                self.anchors.add(url[1:])
            elif url.startswith("/") and not url.startswith("//"):
                self.links.add(url)
            elif url and not (tag == "a" and url.startswith("https://support.vendor.example/")):
                self.faults.append(f"<{tag} {name}={url}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self._open or self._open[-1] != tag:
            self.faults.append(f"</{tag}> closes {self._open[-1:]}")
            return
        self._open.pop()
        self._inside.pop()

    def handle_data(self, data: str) -> None:
        for id_ in self._inside:
            if id_ is not None:
                self._text[id_].append(data)


def judge(page: str, scripts: tuple[str, ...] = ()) -> Outline:
    """The outline of a page that is as pages have to be: whole, without style or anything from elsewhere, and without
    any script but these static files of ours.
    """
    outline = Outline(page, scripts)
    assert outline.faults == []
    assert outline.anchors <= outline.ids
    assert outline.tokens == len(outline.forms)
    return outline
