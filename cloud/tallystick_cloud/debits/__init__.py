"""Money that is collected: mandates of payers, runs released by a second person, in a file that a bank reads."""
