"""Attacks on running stacks, and the honest user who works beside them."""
