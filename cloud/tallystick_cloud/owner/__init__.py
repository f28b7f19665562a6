"""The home of everybody who is owed money: how much, where it is on its way, and why."""
