"""The world's memory: tables, the one place that begins and commits, and the queries of each aggregate.

Repositories are modules of plain async functions whose first argument is the `Transaction`; rows go in and out as
frozen dataclasses declared beside them. Nothing here decides: "was it so?" is answered with a value, a dependency in
doubt with `Unavailable`.
"""
