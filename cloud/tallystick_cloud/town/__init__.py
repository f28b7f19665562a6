"""A whole community from one file that people can read: parties, assets, sites with their meters, contracts."""
