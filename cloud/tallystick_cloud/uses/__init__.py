"""Uses as people may see them: who may open which, how the price was made, and the proof of each."""
