"""What is damaged: a bundle, a session's snapshot and its events, each in the ways that an attacker or a disk would."""

import random
from collections.abc import Callable

import msgspec

import nearsight
from nearsight import BundleError, NearsightError
from nearsight.archive import packed
from nearsight.bundle import MANIFEST, read_bundle, sealed
from nearsight_benchmarks.mutation import altered_bytes, altered_tree, strange_event
from nearsight_benchmarks.usage import observed, used, usual_events

__all__ = ["Act", "Victim"]

Act = Callable[[random.Random], None]


class Victim:
    """A bundle and a session of it, and the ways to damage either: `acts` by kind; each raises what comes of it."""

    def __init__(self, bundle: bytes) -> None:
        self._bundle, opened = bundle, read_bundle(bundle)
        if "step.npz" not in opened.members:
            raise BundleError("a bundle to damage must hold step.npz: export it with --numpy")
        self._members = dict(opened.members)
        self._manifest = msgspec.json.decode(msgspec.json.encode(opened.manifest))
        self._insight = nearsight.load(bundle, runtime="numpy")
        self._events = usual_events(opened.manifest.spec)
        session = self._insight.session()
        for event in self._events:
            observed(session, event)
        self._snapshot = session.snapshot()
        self.acts: dict[str, Act] = {
            "bytes of a bundle": self._bytes,
            "members of a bundle": self._swapped,
            "a manifest that fits": self._sealed_manifest,
            "weights that fit": self._sealed_weights,
            "bytes of a snapshot": self._snapshot_bytes,
            "parts of a snapshot": self._snapshot_parts,
            "events, one by one": self._observed,
            "events, at once": self._scored,
        }

    def _bytes(self, rng: random.Random) -> None:
        self._used(altered_bytes(self._bundle, rng))

    def _swapped(self, rng: random.Random) -> None:
        """Members left out, doubled in name, or with each other's content."""
        names = [MANIFEST, *self._members]
        content = {MANIFEST: msgspec.json.encode(self._manifest), **self._members}
        kept = {name: content[rng.choice(names)] for name in names if rng.randrange(4)}
        kept |= {rng.choice(("../x", "signature", "step.onnx", "x" * 300)): bytes(rng.randrange(100))}
        self._used(packed(kept))

    def _sealed_manifest(self, rng: random.Random) -> None:
        self._used(packed({MANIFEST: msgspec.json.encode(altered_tree(self._manifest, rng)), **self._members}))

    def _sealed_weights(self, rng: random.Random) -> None:
        weights = altered_bytes(self._members["step.npz"], rng)
        members = self._members | {"step.npz": weights}
        manifest = self._manifest | {"members": msgspec.to_builtins(sealed(members, {}))}
        self._used(packed({MANIFEST: msgspec.json.encode(manifest), **members}))

    def _used(self, content: bytes) -> None:
        used(nearsight.load(content, runtime="numpy"), self._events)

    def _snapshot_bytes(self, rng: random.Random) -> None:
        self._restored(altered_bytes(self._snapshot, rng))

    def _snapshot_parts(self, rng: random.Random) -> None:
        tree = altered_tree(msgspec.msgpack.decode(self._snapshot, strict=False), rng)
        self._restored(msgspec.msgpack.encode(tree))

    def _restored(self, snapshot: bytes) -> None:
        session = self._insight.session(snapshot)
        observed(session, self._events[0])
        self._insight.session(session.snapshot())
        session.profile()

    def _observed(self, rng: random.Random) -> None:
        session = self._insight.session()
        observed(session, self._events[0])
        before = session.snapshot()
        try:
            observed(session, strange_event(self._events[1], rng))
        except NearsightError:
            if session.snapshot() != before:
                raise AssertionError("an event that was refused has changed the session") from None
            raise
        finally:
            session.snapshot()

    def _scored(self, rng: random.Random) -> None:
        history = [strange_event(event, rng) if rng.randrange(3) == 0 else event for event in self._events]
        self._insight.score_many([history, self._events[: rng.randrange(3)], history])
