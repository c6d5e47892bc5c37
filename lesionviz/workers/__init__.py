"""Puts questions to the model in processes of their own, here or on other machines, over Dask (``distributed``).

The only room that imports Dask, and only once somebody starts it: without the extra ``lesionviz[cluster]`` it says what to
install. What runs where: :mod:`.engine`, :mod:`.link` and :mod:`.local` in the server, :mod:`.process` is a scheduler or a
worker, and a worker answers with :mod:`.worker_side`.
"""

from lesionviz.workers.certificates import Certificates
from lesionviz.workers.engine import Workers

__all__ = ["Certificates", "Workers"]
