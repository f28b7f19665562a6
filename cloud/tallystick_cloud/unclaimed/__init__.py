"""Money that is owed and cannot be paid, set apart by name until it is claimed."""
