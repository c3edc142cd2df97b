"""The demo world: parts that stand in for an institution and a vendor, on loopback."""
