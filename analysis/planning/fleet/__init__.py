"""A fleet for a load that stays the same: how many nodes of which shape, and their bill."""
