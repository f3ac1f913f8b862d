"""Where trainables take their data from, so that a command can say what is here without loading any."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Data of a trainable that are not generated.

    Attributes:
        path: Folder or file, absolute or below the data folder.
        origin: Id on the Hugging Face hub, a URL, or a set of gensim's downloader; empty for a user's file.
        megabytes: About how much is downloaded; 0 if unknown.
        also: Paths below the data folder where it may lie in another form.
    """

    path: str
    origin: str = ""
    megabytes: float = 0
    also: tuple[str, ...] = ()
