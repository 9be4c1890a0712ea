"""The commands, one file each. Importing one must be cheap: what it needs it imports when it runs."""
