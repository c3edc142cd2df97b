"""Gather the texts of all pages into `app/web/languages/messages.pot`, and bring every language's catalogue up to it.

A text that is gone leaves the catalogues; one that is new stands in them untranslated until somebody translates it. A
test says when this has to be run again, and what is wrong with a catalogue: tests/web/test_languages.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
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


def main() -> None:
    """Write the template and every catalogue."""
    template = gathered()
    TEMPLATE.write_bytes(written(template))
    print(f"{TEMPLATE.relative_to(ROOT)}: {len(template)} texts")
    for name in names():
        catalogue = updated(name, template)
        (CATALOGUES / f"{name}.po").write_bytes(written(catalogue))
        missing = sum(1 for each in catalogue if each.id and not _whole(each.string))
        print(f"{name}: {missing} untranslated")


def _whole(string: str | tuple[str, ...] | list[str] | None) -> bool:
    return bool(string) and (isinstance(string, str) or all(string or ()))


if __name__ == "__main__":
    main()
