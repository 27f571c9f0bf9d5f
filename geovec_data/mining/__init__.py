"""Mining: embed each distinct item once, search exactly, apply the false-negative policy."""
