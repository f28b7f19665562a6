"""Money that leaves: what is owed in whole cents, released by a second person, in a file that a bank reads."""
