"""The first community of a new server, from a handful of answers: who, in which money, under which contract."""
