"""Message texts as Jinja2 sources, and their one loader."""
