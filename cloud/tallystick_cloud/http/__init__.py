"""The web border of the aggregator: typed routes, who may call them, sessions, errors and listeners.

It never holds a rule about money or readings; those live in the domain folders."""
