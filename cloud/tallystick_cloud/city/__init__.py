"""The situation room: what is true in one community now, drawn and kept up to date.

It never changes a reading, a use or an amount; taking an alarm is its only write."""
