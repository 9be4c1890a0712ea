"""Export: organizations, their users, and their collaborations, in the form that the batch import reads."""
