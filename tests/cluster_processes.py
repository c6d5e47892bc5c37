"""Schedulers and workers as processes, as tests find and kill them."""

from __future__ import annotations

import psutil


def ours(role: str, server: int | None = None) -> list[psutil.Process]:
    """The processes that this one, or another server, has as scheduler or workers."""
    children = psutil.Process(server).children()
    return [each for each in children if f"lesionviz.workers.process {role}" in " ".join(each.cmdline())]
