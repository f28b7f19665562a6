"""Contracts: proposed, approved by their parties, in force by their change rule, found for a use."""
