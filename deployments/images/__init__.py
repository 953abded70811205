"""The images: their files, and what is told of them (bill of materials, size)."""
