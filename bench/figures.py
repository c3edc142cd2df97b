"""`python -m bench.figures [size …]`: what a trail costs as it grows, as a table and a plot under `docs/`.

For each size (10³, 10⁴, 10⁵, 10⁶ where none is named) the benchmarks of the trail are run at that size, on PostgreSQL
and on a bundle, and `docs/trail-figures.md` and its picture are written anew. The conditions it was run under (machine,
load before it began) are written down with them. At 10⁶ the making of the bundle takes some minutes and some GB.
"""

from __future__ import annotations

import math
import os
import platform
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import trail, verify
from bench.grown import grown
from bench.measure import Result
from bench.story import write_bundle

SIZES = (1_000, 10_000, 100_000, 1_000_000)
DOCS = Path(__file__).parents[1] / "docs"
COLUMNS = ("proof", "checkpoint", "export_jsonl", "export_jsonl_memory", "export_parquet", "verify", "verify_memory")
_COLOURS = ("#1b5e7b", "#b3541e", "#3f7d3a", "#7a3f7d", "#8a6d1c", "#444444", "#a02c4a")
_WIDTH, _HEIGHT, _LEFT, _TOP = 640, 320, 60, 20

Figures = Mapping[int, Mapping[str, Result]]


def main(words: Sequence[str]) -> int:
    """Measure at each size, and write."""
    sizes, began, load = tuple(map(int, words)) or SIZES, datetime.now(UTC), os.getloadavg()[0]
    found = {size: _measure(size) for size in sizes}
    (DOCS / "pictures" / "trail-figures.svg").write_text(_plot(found))
    (DOCS / "trail-figures.md").write_text(_page(found, began, load))
    return 0


def _measure(size: int) -> Mapping[str, Result]:
    results: list[Result] = []
    with grown(size) as at:
        results += [trail.proof(at, size), trail.signed(at)]
        results += [result for form in ("jsonl", "parquet") for result in trail.exported(at, form)]
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        path = Path(folder) / "bundle.zip"
        results += verify.measured(path, write_bundle(path, size))
    for result in results:
        print(size, result.line(), flush=True)
    return {result.name: result for result in results}


def _page(found: Figures, began: datetime, load: float) -> str:
    heads = [f"`{name}`" for name in COLUMNS]
    lines = ["| entries | " + " | ".join(heads) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for size, results in found.items():
        cells = (f"{each.value:.3g} {each.unit} ({each.ratio:.2g})" for each in map(results.__getitem__, COLUMNS))
        lines.append(f"| {size:,} | " + " | ".join(cells) + " |")
    return f"""# What a trail costs as it grows

Made by `python -m bench.figures` on {began:%Y-%m-%d}: {os.cpu_count()} processors, {platform.machine()}, Python \
{platform.python_version()}, load of {load:.1f} before it began (near 0 is wanted: figures of a busy machine tell of
the others). Each cell is the value, and in brackets its ratio to what the benchmark of that name is measured beside;
`bench/README.md` says what each means.

{chr(10).join(lines)}

![The ratios, by size](pictures/trail-figures.svg)

Flat lines are what is wanted: a proof, a checkpoint, a row and an entry cost the same in a trail of any size.
"""


def _plot(found: Figures) -> str:
    """The ratios over the sizes, both on logarithmic scales."""
    ratios = [_shown(results[name]) for results in found.values() for name in COLUMNS]
    low, high = (round_(math.log10(each)) for round_, each in ((math.floor, min(ratios)), (math.ceil, max(ratios))))
    first, last = math.log10(min(found)), math.log10(max(found))

    def place(size: int, ratio: float) -> str:
        along = (math.log10(size) - first) / max(last - first, 1)
        up = (math.log10(ratio) - low) / max(high - low, 1)
        return f"{_LEFT + along * (_WIDTH - 220):.1f},{_TOP + (1 - up) * (_HEIGHT - 60):.1f}"

    drawn = [
        _text(_LEFT - 8, place(min(found), 10.0**power).split(",")[1], f"10^{power}", "end")
        for power in range(low, high + 1)
    ]
    drawn += [_text(place(size, 10.0**low).split(",")[0], _HEIGHT - 18, f"{size:,}", "middle") for size in found]
    for number, name in enumerate(COLUMNS):
        points = " ".join(place(size, _shown(results[name])) for size, results in found.items())
        colour = _COLOURS[number]
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn.append(_text(_WIDTH - 150, _TOP + 16 * number + 8, name, "start", colour))
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="11"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>'
    return "\n".join([head, *drawn, "</svg>"]) + "\n"


def _shown(result: Result) -> float:
    """The ratio, as far as a logarithmic scale shows it."""
    return max(result.ratio, 0.001)


def _text(x: object, y: object, words: str, anchor: str, colour: str = "#333333") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
