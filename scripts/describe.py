"""Write openapi/openapi.yaml from the routes of the API. A test says when it has to be written again."""

from __future__ import annotations

from pathlib import Path

import yaml

from app import __version__
from app.api import routers
from app.api.describe import description

TARGET = Path(__file__).parents[1] / "openapi" / "openapi.yaml"


def main() -> None:
    """Write it."""
    text = yaml.safe_dump(description(routers(), __version__), sort_keys=False, allow_unicode=True, width=120)
    TARGET.write_text(text)
    print(f"{TARGET.relative_to(TARGET.parents[1])}: {len(text.splitlines())} lines")


if __name__ == "__main__":
    main()
