"""Tables, the one place that begins and commits, and queries per aggregate."""
