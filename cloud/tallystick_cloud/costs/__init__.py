"""Bills of a house shared by a key: apportioned, posted once, shown with how each share came about, reversed once."""
