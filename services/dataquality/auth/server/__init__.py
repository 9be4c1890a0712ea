"""What the server says of itself: health and version."""
