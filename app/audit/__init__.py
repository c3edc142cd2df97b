"""Bundles, replay of the rules, offline verification: what a stranger needs to check a trail without us."""
