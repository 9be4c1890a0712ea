"""What the clock does: sockets, runs and tasks whose time has run out."""
