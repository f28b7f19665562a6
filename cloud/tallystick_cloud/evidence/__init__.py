"""Evidence files: what a party needs to check its money offline, and nothing that is not for it."""
