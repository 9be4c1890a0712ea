"""From the outbox to the sockets."""
