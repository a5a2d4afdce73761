"""The stories, by what they are about. Each is a small function, and a row of its file's table."""
