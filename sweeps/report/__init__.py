"""The report of a sweep and the overview of all studies: figures, tables, pages."""
