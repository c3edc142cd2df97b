"""Benchmarks: each the ratio of what the service does to a limit of the same machine, measured in the same run."""
