"""What is told of an evaluation: sentences, tables and figures, as a page, a model card and files in a folder."""
