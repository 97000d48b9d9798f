"""A board on loopback that follows its sources."""
