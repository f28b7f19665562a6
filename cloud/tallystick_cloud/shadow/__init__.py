"""A contract that is only computed yet, beside the bill it is to take the place of."""
