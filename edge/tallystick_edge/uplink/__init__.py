"""Talking to the aggregator: what to send when (`sync`), and the two ways of carrying the same bytes.
Nothing here seals or meters; it may only mark a batch final when a receipt that was checked says so."""
