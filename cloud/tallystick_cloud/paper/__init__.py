"""Sheets of paper: PDF files out of the rows that pages show."""
