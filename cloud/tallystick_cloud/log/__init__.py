"""The community's transparency log: leaves, checkpoints, tiles and proofs."""
