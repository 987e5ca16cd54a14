"""SQLModel tables, and nothing else; rows become domain objects in the repositories."""
