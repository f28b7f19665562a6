"""From register values to readings that may be billed: pure deciders, one channel at a time.
Nothing here knows a driver, a file or the present time; what it needs arrives as arguments."""
