"""The pure rules of money: contracts, tariffs, splits, rating and the cutting of intervals.
Nothing here reads a file, a clock, a network or a database, and nothing here is a float."""
