"""The local driver: a stack as processes of this machine, kept by supervisor."""
