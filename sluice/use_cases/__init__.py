"""The use cases that ship. Each is found through the entry-point group ``sluice.use_cases``, like anybody's own."""
