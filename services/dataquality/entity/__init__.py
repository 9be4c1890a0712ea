"""Who works with whom: organizations, collaborations, nodes."""
