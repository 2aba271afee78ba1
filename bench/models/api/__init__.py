"""Models behind a network: one file per protocol, and what the protocols share."""
