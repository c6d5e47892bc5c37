"""A case to keep: a page that needs no kernel, a sheet as PDF or PNG."""
