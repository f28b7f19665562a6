"""Uses priced in canonical order, split, and booked by double entry."""
