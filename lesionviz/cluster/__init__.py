"""One way to ask about a picture, wherever the model is: in this process (:class:`Near`) or behind a line (:class:`Far`).

Whoever shows answers knows an :class:`Examiner` and cannot tell which of the two it is. What goes over a line is one
of the named requests in :data:`REQUESTS` (:mod:`.requests`) and nothing else: plain data of bounded size in, plain data out
(:mod:`lesionviz.wire`), at a cost that is known before. No function, no path and no file's name goes with it. A
picture is opened where it was uploaded, and only the square that the network sees goes on, so that a hostile file
reaches nobody else. A new request is a line there. Each can be about a photograph, which the model answers, or about one of
our own drawings, which the small network answers that knows nothing else (:mod:`lesionviz.drawn`).

This room imports no torch: a page's process does without it.
"""

from lesionviz.cluster.examiner import Examiner
from lesionviz.cluster.far import Far
from lesionviz.cluster.near import Near
from lesionviz.cluster.requests import LARGEST, REQUESTS, Request, answer, name_of

__all__ = ["LARGEST", "REQUESTS", "Examiner", "Far", "Near", "Request", "answer", "name_of"]
