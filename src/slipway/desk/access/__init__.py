"""Access: the sealed endpoint, two-party grants and their keys; owner of the tables the gateway reads."""
