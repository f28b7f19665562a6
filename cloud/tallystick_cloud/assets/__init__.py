"""What is used and what measures it: assets, meters, sites and their meter plans."""
