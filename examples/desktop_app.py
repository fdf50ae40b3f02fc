"""A desktop app with insight: it observes what its user does, and keeps the history as one small file.

It reads one event a line from standard input, as JSON, and says what the model makes of it:

    $ python examples/desktop_app.py shop.nsight --user ada --folder app-data
    {"event": "view", "price": 19.9}
    purchase 12 %, cart 41 %; next: cart

The file holds about 1.5 kB however long the history is, and no event can be read from it. Delete it, and the user is
forgotten.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from urllib.parse import quote

import nearsight


def main() -> None:
    """Observe until the input ends."""
    options = _options()
    insight = nearsight.load(options.bundle)
    file = options.folder / f"{quote(options.user, safe='')}.history"
    session = restored(insight, file)
    for line in sys.stdin:
        event = json.loads(line)
        name, moment = event.pop("event"), event.pop("time", time.time())
        reading = session.observe(name, time=moment, **event)
        keep(session, file)
        print(in_words(reading), flush=True)


def restored(insight: nearsight.Insight, file: Path) -> nearsight.Session:
    """The user's history where there is one. One that an older model left means nothing to this one: begin anew."""
    try:
        return insight.session(file.read_bytes())
    except (FileNotFoundError, nearsight.SnapshotError):
        return insight.session()


def keep(session: nearsight.Session, file: Path) -> None:
    """Replace the file in one move, so that a crash leaves the old history or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_bytes(session.snapshot())
    fresh.replace(file)


def in_words(reading: nearsight.Reading) -> str:
    """One line for a person."""
    answers = ", ".join(f"{name} {reading[name]:.0%}".replace("%", " %") for name in reading)
    ahead = reading.next()
    return f"{answers}; next: {ahead[0][0]}" if ahead else answers


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Observe one user's events.")
    parser.add_argument("bundle", type=Path, help="a .nsight file")
    parser.add_argument("--user", default="default", help="whose history it is")
    parser.add_argument("--folder", type=Path, required=True, help="where the app keeps its data")
    return parser.parse_args()


if __name__ == "__main__":
    main()
