"""What each command of `tallystick` does."""
