"""The one exception that a person is meant to read, and a kind of it that a page can do something about."""

PREFIX = "lesionviz: "
"""How the command line begins the line that tells what is wrong, for whoever reads what a process has said."""


class LesionvizError(Exception):
    """An input that cannot be used.

    The text names the thing, says what is wrong with it and what to do about it, in the words of
    someone who does not read code. Interfaces show the text as it is; everything else that is raised
    is a defect of lesionviz.
    """


class TooManyPixelsError(LesionvizError):
    """A picture that would be read with fewer pixels."""
