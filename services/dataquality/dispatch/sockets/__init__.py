"""The events' side of the service: nodes and users that hold a socket."""
