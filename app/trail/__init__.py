"""The log: canonical entries, the Merkle tree over them, proofs, tiles, signed notes, checkpoints.

A library of its own: pure but for the `Store` it is handed. Standard library, cryptography and orjson only.
"""
