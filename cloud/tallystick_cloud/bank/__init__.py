"""What the bank says: payment status reports and account statements, matched with what the books know."""
