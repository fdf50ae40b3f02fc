"""The public data sets by name: what they hold, what they can teach, where they are, and how to load them."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass

from nearsight.errors import InputError
from nearsight_training.datasets import applications, clicks, invoices, purchases
from nearsight_training.datasets.files import FOLDER, File
from nearsight_training.datasets.noted import NotedTable

__all__ = ["DATASETS", "DataSet", "dataset"]


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """A public data set, as `load` returns it.

    `events` and `users` are its numbers of each, `first` and `last` its days on the source's own clock. `questions`
    is a declaration in TOML, and `options` are those of `nearsight train` that suit these data besides.
    """

    name: str
    events: int
    users: int
    first: str
    last: str
    teaches: str
    origin: str
    terms: str
    file: File
    load: Callable[[], NotedTable]
    questions: str
    options: tuple[str, ...] = ()

    def here(self) -> str | None:
        """Where `load` would find it: "NEARSIGHT_DATA", "lifetimes" or "cache"; None where it would be fetched."""
        if self.file.in_folder():
            return FOLDER
        if self.file is purchases.CDNOW and purchases.packaged():
            return purchases.PACKAGE
        return "cache" if self.file.in_cache() else None


DATASETS = (
    DataSet(
        name="cdnow",
        events=67_591,
        users=23_570,
        first="1997-01-01",
        last="1998-06-30",
        teaches="who buys again, customer value",
        origin="Fader & Hardie 2001, brucehardie.com",
        terms="posted for research",
        file=purchases.CDNOW,
        load=purchases.cdnow,
        questions=purchases.QUESTIONS,
        options=("--split", "user", "--cutoff", "1997-09-30"),
    ),
    DataSet(
        name="eshop2008",
        events=165_474,
        users=24_026,
        first="2008-04-01",
        last="2008-08-13",
        teaches="the next of 217 products, a session's end",
        origin="Łapczyński & Białowąs 2013, UCI 553",
        terms="CC BY 4.0",
        file=clicks.ESHOP2008,
        load=clicks.eshop2008,
        questions=clicks.QUESTIONS,
    ),
    DataSet(
        name="online_retail",
        events=22_190,
        users=4_372,
        first="2010-12-01",
        last="2011-12-09",
        teaches="who buys, who leaves, who cancels",
        origin="Chen, Sain & Guo 2012, UCI 352",
        terms="CC BY 4.0",
        file=invoices.ONLINE_RETAIL,
        load=invoices.online_retail,
        questions=invoices.QUESTIONS,
        options=("--split", "user", "--cutoff", "2011-09-10"),
    ),
    DataSet(
        name="bpic2012",
        events=262_200,
        users=13_087,
        first="2011-10-01",
        last="2012-03-14",
        teaches="the next activity, loans granted or abandoned",
        origin="BPI Challenge 2012, 4TU.ResearchData",
        terms="4TU's",
        file=applications.BPIC2012,
        load=applications.bpic2012,
        questions=applications.QUESTIONS,
    ),
)


def dataset(name: str) -> DataSet:
    """The data set of this name. Raises `InputError` with the nearest name where there is none."""
    names = [each.name for each in DATASETS]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1, 0.0)[0]
        raise InputError(f"a data set is one of {', '.join(names)}, received {name!r}: did you mean {near!r}?")
    return DATASETS[names.index(name)]
