"""What a month still needs of a community manager, on one page."""
