"""What runs of payouts, of direct debits and of split instructions have alike, from proposal to outcome."""
