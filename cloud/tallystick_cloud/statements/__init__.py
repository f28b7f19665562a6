"""Statements of a party: per month and contract, signed where the period is settled, open where it is not."""
