"""The HTTP contract: strict input, problems, tokens, access, pages. Knows no app."""
