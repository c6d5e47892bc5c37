"""A whole archive at once: every image a row of one table, resumable after anything.

::

    lesionviz.score("archive/", out="scores")  # or: lesionviz score archive/ --out scores

:mod:`~lesionviz.archive.run` brings the parts together. A list of images (:mod:`~lesionviz.archive.inputs`) is cut into
shards, fixed lists of some hundred; an engine (:mod:`~lesionviz.archive.engine`) turns each into one Parquet part, written
whole or not at all (:mod:`~lesionviz.archive.store`); at the end the parts become one table and a page
(:mod:`~lesionviz.archive.join`, :mod:`~lesionviz.archive.page`). What the columns mean stands in
:mod:`~lesionviz.archive.schema` and in the files themselves. :class:`~lesionviz.archive.state.Run` says how far a run is.
"""
