"""Disputes: what is said against a use, the money held meanwhile, and how it ends."""
