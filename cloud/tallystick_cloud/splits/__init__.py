"""Money that a payment provider collects and splits: instructions for it, and what it says became of them."""
