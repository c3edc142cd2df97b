"""The life of an access request as Markdown, drawn from the domain's table:  .venv/bin/python -m scripts.states

What it prints stands in `docs/architecture.md`; a test compares.
"""

from __future__ import annotations

from app.domain.request import TERMINAL, TRANSITIONS, Status


def diagram() -> str:
    """Every change of state, as a Mermaid diagram."""
    lines = [f"[*] --> {Status.PENDING}: request.created"]
    lines += [
        f"{state} --> {after}: {event}"
        for state, row in TRANSITIONS.items()
        for event, after in row.items()
        if after is not state
    ]
    lines += [f"{state} --> [*]" for state in Status if state in TERMINAL]
    return "\n".join(["```mermaid", "stateDiagram-v2", *(f"    {line}" for line in lines), "```"])


def kept() -> str:
    """What is recorded without a change of state, as a table."""
    rows = ((state, [event for event, after in row.items() if after is state]) for state, row in TRANSITIONS.items())
    lines = [f"| `{state}` | {', '.join(f'`{event}`' for event in events)} |" for state, events in rows]
    return "\n".join(["| in state | may be recorded, and changes no state |", "| --- | --- |", *lines])


if __name__ == "__main__":
    print(diagram(), kept(), sep="\n\n")
