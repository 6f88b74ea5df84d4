"""A small library at the bottom: no tables, knows no app."""
