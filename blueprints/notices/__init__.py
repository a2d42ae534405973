"""Views of what we write: notices, designs, languages, and the bell."""
