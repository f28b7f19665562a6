"""Invoices, credit notes and self-billed documents: made of settled statements, numbered, never changed."""
