"""Energy communities: what the grid's files or own meters say, shared by the hour, and booked."""
