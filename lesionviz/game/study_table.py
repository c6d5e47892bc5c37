"""A reader study as a table, a row for each answer, and as CSV; nothing of it is to be had before the debrief."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionviz.diagnoses import CODES
from lesionviz.errors import LesionvizError
from lesionviz.game import results
from lesionviz.game.results import NO_ANSWER
from lesionviz.game.study import RULE, SURE
from lesionviz.game.study_store import KeptStudy, StudyStore

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("reader", "position", "case", "image", "truth", "with_ai", "answer", "sure", "seconds", "pauses", "lost"),
    *("ai", "ai_probability", "ai_made_wrong", "model", "reason", "network", "time"),
)
"""Of the table: who, the how manyeth case of this reader, its number in the study, where the picture comes from, its
diagnosis; whether the AI was shown; what was answered, how sure (1 to 5), seconds on view without pauses, how many pauses,
how often the page went away while the clock ran (time from before is missing then); what the AI was shown to say, with
which probability, whether it was made wrong; what the model itself says, why it gave no answer, which network, and when."""
GAPS = ("ai_probability", "seconds", "pauses", "lost")
"""Columns in which a number may be missing."""
KINDS = {"with_ai": "b", "ai_made_wrong": "b", "sure": "if", "seconds": "if"}
"""What pandas must have read in a column: yes or no (b), or numbers."""
HEAD = b"SQLite format 3\x00"


def check_debriefed(kept: KeptStudy) -> None:
    """Let nothing of a study out before its debrief has been shown.

    Raises:
        LesionvizError: it has not.
    """
    if not kept.debriefed:
        raise LesionvizError(
            "This study's debrief has not been shown yet, so its answers stay in the file. End the study on its page and "
            "show the debrief, which names the cases with a deliberately wrong AI; then the table is there."
        )


def rows_of(kept: KeptStudy) -> Iterator[dict[str, Any]]:
    """Yield the answers, reader after reader, each by ``COLUMNS``."""
    cases = {case.number: case for case in kept.design.cases}
    given = {(one.place, one.number): one for one in kept.readings}
    for reader in kept.readers:
        for position, turn in enumerate(kept.turns[reader.place], 1):
            one, case = given.get((reader.place, turn.case)), cases[turn.case]
            if one is None:
                continue
            look = kept.looks.get((reader.place, turn.case))
            values = (
                *(reader.name, position, case.number, case.image, case.truth, turn.with_ai, one.code, one.sure),
                *((round(look.seconds, 3), look.pauses, look.lost) if look is not None else (None, None, None)),
                *(one.ai, one.probability, turn.with_ai and case.wrong and one.ai != NO_ANSWER),
                *(one.model, one.reason, one.network, one.time),
            )
            yield dict(zip(COLUMNS, values, strict=True))


def answers_csv(kept: KeptStudy) -> str:
    """Return the answers as CSV.

    Raises:
        LesionvizError: the debrief has not been shown.
    """
    check_debriefed(kept)
    return results.to_csv(rows_of(kept), COLUMNS)


def design_csv(kept: KeptStudy) -> str:
    """Return how the study was made, as CSV: a name and a value in each row.

    Raises:
        LesionvizError: the debrief has not been shown.
    """
    check_debriefed(kept)
    from lesionviz import __version__

    design = kept.design
    wrong = [case.number for case in design.cases if case.wrong]
    facts: list[tuple[str, Any]] = [
        ("pictures", design.source),
        ("drawings", design.drawn),
        ("seed", design.seed),
        ("cases", len(design.cases)),
        ("share_ai_made_wrong", design.share),
        ("cases_ai_made_wrong", " ".join(map(str, wrong))),
        ("rule_ai_made_wrong", RULE),
        ("sure", "; ".join(SURE)),
        ("consent", design.consent),
        ("readers", len(kept.readers)),
        ("withdrawn", kept.withdrawn),
        ("begun", kept.begun),
        ("ended", kept.ended),
        ("debriefed", kept.debriefed),
        ("lesionviz", __version__),
    ]
    return results.to_csv(({"name": name, "value": value} for name, value in facts), ("name", "value"))


def read_study(file: str | Path | None = None) -> pd.DataFrame:
    """Return the answers of a reader study as a table, one row for each; :func:`lesionviz.study_results` takes it.

    Args:
        file: the study's own file, or the table that its page saved as CSV; by default the study of this user, of which
            the page says where it lies.

    Raises:
        LesionvizError: there is no study, its debrief has not been shown, or the file is another one.
    """
    import pandas as pd

    store = StudyStore(None if file is None else Path(file))
    if not store.path.is_file():
        raise LesionvizError(f"No reader study lies in {store.path}. Run one on the page Quiz, or give its file.")
    with store.path.open("rb") as opened:
        own = opened.read(len(HEAD)) == HEAD
    if not own:
        return _read_csv(store.path)
    try:
        kept = store.load()
    finally:
        store.close()
    if kept is None:
        raise LesionvizError(f"{store.path} holds no study yet. Begin one on its page.")
    check_debriefed(kept)
    return pd.DataFrame(list(rows_of(kept)), columns=list(COLUMNS))


def _read_csv(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(
            path, encoding="utf-8-sig", keep_default_na=False, na_values={name: [""] for name in GAPS}
        )
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise LesionvizError(f"{path} is no table of a reader study: {error}") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise LesionvizError(f"{path} is no table of a reader study: the column {missing[0]} is missing.")
    strange = sorted({*table["truth"], *table["answer"]} - {*CODES}, key=str)
    if strange:
        raise LesionvizError(f"{path} names {strange[0]!r} as a diagnosis. The table knows {', '.join(CODES)}.")
    for name, kinds in KINDS.items():
        if len(table) and table[name].dtype.kind not in kinds:
            raise LesionvizError(
                f"{path} is no table of a reader study: {name} is not the same kind of value in every row."
            )
    return table
