"""Settlements: what a period closes with, statements, and decisions about what stayed open."""
