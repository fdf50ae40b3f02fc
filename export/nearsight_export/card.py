"""The model card: what the model answers, from what data, how well, and where it ends (after Mitchell et al. 2019)."""

from collections.abc import Iterator, Mapping

from nearsight.manifest import Manifest
from nearsight.trunk import Trunk
from nearsight_export.beside import judged, proven_beside
from nearsight_export.disclosure import told
from nearsight_export.fairness import hurt, worst
from nearsight_export.questions import percent, question, reads
from nearsight_export.reports import Certificate, LengthFigures
from nearsight_export.steadiness import steadied
from nearsight_training.beside import Beside
from nearsight_training.guarantee import spoken
from nearsight_training.metrics import Interval
from nearsight_training.run import Run

__all__ = ["card"]

_FEW = 50  # decisions, below which an AUC says nothing
_SHARES = ("accuracy", "precision", "recall", "f1", "hits@1", "hits@5")


def card(run: Run, manifest: Manifest, certificate: Certificate) -> str:
    """The model card in Markdown; `run` is as its passes left it."""
    sections = {
        "What it answers": _list(question(head) for head in manifest.heads),
        "What it reads": _list(reads(manifest.spec)) + "\nAnything else that an event carries is dropped unread.\n",
        "What it learned from": _list(f"{name}: {value}" for name, value in run.data.items()),
        "How well it answers": "Figures are of users that training never saw, with 95 % intervals over users.\n\n"
        + _table(run.metrics),
        **_kinds(run.beside),
        **_given_away(certificate),
        "Differential privacy": _privacy(run),
        "Limits": _list(_limits(run, manifest, certificate)),
        "How it was made": f"{_network(manifest.trunk)}, trained for {len(run.history)} epochs with seed {run.seed}, "
        f"model {manifest.model}.\n\n" + _list(_made(run, certificate)),
    }
    return f"# {manifest.name}\n\n" + "\n".join(f"## {title}\n\n{text}" for title, text in sections.items())


def _kinds(beside: Beside) -> dict[str, str]:
    lines = list(judged(beside))
    return {"Kinds of users, and unusual ones": _list(lines)} if lines else {}


def _given_away(certificate: Certificate) -> dict[str, str]:
    return {"What it gives away": _list(told(certificate.audit))} if certificate.audit else {}


def _privacy(run: Run) -> str:
    found = run.guarantee
    if found is None:
        return f"It was {spoken(found)}: nothing bounds what the weights tell of a user who was trained on.\n"
    return (
        f"It was {spoken(found)}, by DP-SGD: {found.steps:,} steps, each over users drawn with a chance of "
        f"{found.sampling_rate:.4g}, whose gradients were clipped to a norm of {found.clip_norm:g} and "
        f"summed with noise of {found.noise_multiplier:.4g} times that. What it doesn't cover is among the limits.\n"
    )


def _network(trunk: Trunk) -> str:
    filters, units = trunk.filters, trunk.units
    thin = f" whose kernel has rank {trunk.rank}" if trunk.rank else ""
    bodies = {
        "cnn_lstm": f"A convolution of {filters} filters over three events, pooling by two and an LSTM of {units} "
        f"units{thin}",
        "lstm": f"An LSTM of {units} units{thin}",
        "cnn": f"A convolution of {filters} filters over three events, their maximum and a layer of {units} units",
        "mlp": f"A layer of {filters} units on each event, their mean and a layer of {units} units",
        "vae": f"A variational autoencoder of {filters} units with {units - 1} latent numbers and an anomaly score",
    }
    return bodies[trunk.kind] + (", with answers that read the newest event as well" if trunk.skip else "")


def _list(lines: Iterator[str] | list[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def _table(metrics: Mapping[str, Mapping[str, Interval]]) -> str:
    rows = ["| question | figure | value | 95 % interval |", "|---|---|---|---|"]
    for head, figures in metrics.items():
        for name, found in figures.items():
            value, low, high = (_figure(name, x) for x in (found.value, found.low, found.high))
            rows.append(f"| {head} | {name.replace('_', ' ')} | {value} | {low} to {high} |")
    return "\n".join(rows) + "\n"


def _figure(name: str, value: float) -> str:
    return percent(value) if name in _SHARES else f"{value:.4f}"


def _limits(run: Run, manifest: Manifest, certificate: Certificate) -> Iterator[str]:
    yield "It knows users like those in its data, in the time that these span: train it anew when behaviour changes."
    yield "A probability is right on average over many users; about a single one it can be far off."
    yield "It mustn't decide alone on what affects a person's rights, credit, health, work or price."
    if manifest.spec.clock is None:
        yield "It knows nothing of time, so it can't tell what silence means."
    rows = [row for artifact in certificate.artifacts for row in artifact.lengths if row.decisions < _FEW]
    spans = dict.fromkeys(_span(row) for row in sorted(rows, key=lambda row: row.longest))
    if spans:
        yield f"Histories of {', '.join(spans)} events were too rare in the test to say how well it reads them."
    yield from (f"{line[0].upper()}{line[1:]}." for line in hurt(certificate.groups))
    yield from run.notes


def _span(row: LengthFigures) -> str:
    return str(row.longest) if row.shortest == row.longest else f"{row.shortest} to {row.longest}"


def _made(run: Run, certificate: Certificate) -> Iterator[str]:
    yield ", ".join(f"{name} {version}" for name, version in run.versions.items())
    yield from (f"{report.said[0].upper()}{report.said[1:]}." for report in certificate.passes)
    for head, lost in certificate.lost_auc.items():
        yield (
            f"Compression changed the AUC of {head} by {-lost.value:+.4f} "
            f"({-lost.high:+.4f} to {-lost.low:+.4f}) against the trained network."
        )
    if not any(hurt(certificate.groups)):
        yield from (f"{line[0].upper()}{line[1:]}." for line in worst(certificate.groups))
    if certificate.beside:
        yield from (f"{line[0].upper()}{line[1:]}." for line in proven_beside(certificate.beside))
    for artifact in certificate.artifacts:
        yield (
            f"{artifact.artifact}: every probability within {artifact.largest_error:.1g} of the trained network's in "
            f"{artifact.compared} comparisons ({artifact.runtime})"
            + (f"; {said}." if (said := steadied(artifact)) else ".")
        )
