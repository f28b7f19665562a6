"""Who belongs to a community: parties, their roles, keys and bank accounts."""
