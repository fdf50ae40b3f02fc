"""How a step artifact fares within, in words: over a long time, and tensor by tensor."""

from collections.abc import Iterator, Mapping

from nearsight_export.reports import Certified

__all__ = ["steadied"]


def steadied(artifact: Certified) -> str:
    """How far 10,000 steps without an end lead a step, and which weight and tensor within it are the noisiest.

    Empty for a window graph.
    """
    drift, late, noise = artifact.drift, artifact.late_drift, artifact.noise
    if drift is None or late is None or noise is None:
        return ""
    noisiest = " and ".join((*_noisiest(noise.weights), *_noisiest(noise.signals)))
    return (
        f"10,000 steps without an end stay within {drift:.1g}, the last 1,000 of them within {late:.1g}; "
        f"the noisiest weight and tensor keep {noisiest}"
    )


def _noisiest(found: Mapping[str, float]) -> Iterator[str]:
    if found:
        name = min(found, key=lambda each: found[each])
        yield f"{name} {found[name]:.0f} dB"
