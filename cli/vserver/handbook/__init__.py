"""What generates the reference pages of docs/ and the schema for editors."""
