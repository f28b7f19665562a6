"""What everybody may see of an asset's ledger, where the community decided so."""
