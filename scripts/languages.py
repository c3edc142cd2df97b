"""Gather the texts of all pages into `app/web/languages/messages.pot`, and bring every language's catalogue up to it.

A text that is gone leaves the catalogues; one that is new stands in them untranslated until somebody translates it. A
test says when this has to be run again, and what is wrong with a catalogue: tests/web/test_languages.py.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parents[1]
CATALOGUES = ROOT / "app" / "web" / "languages"
TEMPLATE = CATALOGUES / "messages.pot"
_KEYWORDS = {
    "_": None,
    "msg": None,
    "told": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "in_context": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
_WAYS = [("web/**.html", "jinja2"), ("web/**.py", "python"), ("actions/**.py", "python"), ("domain/**.py", "python")]
_NAMED = re.compile(r"%\((\w+)\)s")
_WIDE = re.compile("^[\uff08\u3001\uff0c]|[\u3001\uff0c]$")
_TAG = re.compile(r"<[^<>]*>")
_HEADER = "# Countersign: texts of pages. The key of each is its English text."
_CREATED = datetime(2026, 11, 24, tzinfo=UTC)
_OPTIONS = {"web/**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}


def gathered() -> Catalog:
    """Every text that a page may show, with the files it stands in."""
    catalogue = Catalog(header_comment=_HEADER, project="Countersign", creation_date=_CREATED, fuzzy=False)
    found = extract_from_dir(ROOT / "app", _WAYS, _OPTIONS, _KEYWORDS, ("Translators:",), strip_comment_tags=True)
    for name, _, message, comments, context in sorted(found, key=lambda each: (each[0], each[1])):
        catalogue.add(message, None, [(f"app/{name}", 1)], auto_comments=comments, context=context)
    return catalogue


def updated(name: str, template: Catalog) -> Catalog:
    """The catalogue of a language with exactly the texts of the template."""
    path = CATALOGUES / f"{name}.po"
    kept = read_po(BytesIO(path.read_bytes()), locale=name.replace("-", "_"))
    kept.update(template, no_fuzzy_matching=True, update_creation_date=False)
    kept.obsolete.clear()
    return kept


def written(catalogue: Catalog) -> bytes:
    """The catalogue as its file: one line a text, no line numbers, so that two people's changes seldom meet."""
    target = BytesIO()
    write_po(target, catalogue, width=0, include_lineno=False, omit_header=False)
    return target.getvalue()


def names() -> Iterator[str]:
    """The languages that have a catalogue, finished or not."""
    return (path.stem for path in sorted(CATALOGUES.glob("*.po")))


def faults(name: str, template: Catalog) -> Iterator[str]:
    """What is wrong with the catalogue of a language, as it stands: a line each."""
    kept = read_po(BytesIO((CATALOGUES / f"{name}.po").read_bytes()), locale=name.replace("-", "_"))
    wanted = {(each.id, each.context) for each in template if each.id}
    have = {(each.id, each.context) for each in kept if each.id}
    yield from (f"not gathered: {key}" for key, _ in wanted - have)
    yield from (f"gone from the pages: {key}" for key, _ in have - wanted)
    for each in kept:
        if each.id:
            yield from (f"{fault}: {each.id}" for fault in _faults(each, kept.num_plurals))


def _faults(message: Message, plurals: int) -> Iterator[str]:
    """What is wrong with one text."""
    source = (message.id,) if isinstance(message.id, str) else tuple(message.id)
    made = message.string if isinstance(message.string, (tuple, list)) else (message.string or "",)
    if message.fuzzy:
        yield "marked as fuzzy"
    if not all(made) or len(made) != (1 if len(source) == 1 else plurals):
        yield "not translated whole"
        return
    for text in made:
        like = source[-1]
        if _other_names(text, like, plural=len(source) > 1):
            yield "other placeholders"
        if sorted(_TAG.findall(text)) != sorted(_TAG.findall(like)):
            yield "other markup"
        if _edges(text) != _edges(like) and not _WIDE.search(text):
            yield "other white space at the ends"


def _other_names(text: str, like: str, *, plural: bool) -> bool:
    """Whether a text puts in other facts; a plural form may leave its number out, as in "one finding"."""
    found, wanted = sorted(_NAMED.findall(text)), sorted(_NAMED.findall(like))
    bare = sorted(set(wanted) - {"n"})
    return found != wanted and not (plural and found == bare)


def _edges(text: str) -> tuple[bool, bool]:
    return text[:1].isspace(), text[-1:].isspace()


def main() -> int:
    """Write the template and every catalogue; with `--check LANGUAGE` tell what is wrong with one instead."""
    if sys.argv[1:2] == ["--check"]:
        found = list(faults(sys.argv[2], gathered()))
        print("\n".join(found) or f"{sys.argv[2]}: whole")
        return 1 if found else 0
    template = gathered()
    TEMPLATE.write_bytes(written(template))
    print(f"{TEMPLATE.relative_to(ROOT)}: {len(template)} texts")
    for name in names():
        (CATALOGUES / f"{name}.po").write_bytes(written(updated(name, template)))
        print(f"{name}: {sum(1 for _ in faults(name, template))} to do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
