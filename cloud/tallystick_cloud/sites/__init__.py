"""Sites on pages: a site file is read, shown, and becomes a plan."""
