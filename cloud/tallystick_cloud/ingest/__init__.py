"""From signed upload to booked uses, in one transaction."""
