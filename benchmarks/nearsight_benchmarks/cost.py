"""How far from the machine's limit a step is, and what its time goes into."""

from collections.abc import Sequence

import msgspec

from nearsight_export.work import Work

__all__ = ["Cost", "Limits", "Machine", "said"]


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A runtime's, in microseconds: a whole Python call of a step without operators, and one operator more that
    computes or only moves single numbers; and multiply-accumulates per microsecond by their arithmetic, where a matrix
    meets many rows at once, so that nothing but arithmetic counts.
    """

    call_us: float
    compute_us: float
    move_us: float
    multiplications_per_us: dict[str, float]


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits by runtime, and how many bytes a microsecond are read or written where so many are copied."""

    limits: dict[str, Limits]
    bytes_per_us: dict[int, float]

    def reading(self, count: int) -> float:
        """How many microseconds it takes at best to read so many bytes, by the copy nearest in size."""
        return count / self.bytes_per_us[min(self.bytes_per_us, key=lambda size: abs(size - count))]

    def cost(self, entry: str, runtime: str, work: Work, p50_us: float) -> "Cost":
        """What a step of that work costs, whose whole call takes `p50_us`."""
        limits = self.limits[runtime]
        products = work.multiplications.items()
        return Cost(
            entry=entry,
            work=work,
            arithmetic_us=sum(count / limits.multiplications_per_us[arithmetic] for arithmetic, count in products),
            memory_us=self.reading(sum(work.weight_bytes.values())),
            call_us=limits.call_us,
            operators_us=work.computes * limits.compute_us + work.moves * limits.move_us,
            p50_us=p50_us,
        )


class Cost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step's work, and in microseconds what it takes at best and what it takes.

    `arithmetic_us` is what its multiplications need at the runtime's fastest, `memory_us` what reading its weights
    once needs; `call_us` is that of a step without operators, `operators_us` what as many operators on single numbers
    take, `p50_us` the measured median of the whole call.
    """

    entry: str
    work: Work
    arithmetic_us: float
    memory_us: float
    call_us: float
    operators_us: float
    p50_us: float

    @property
    def bound_us(self) -> float:
        """The limit: arithmetic and reading may go on at the same time, so it is the longer of both."""
        return max(self.arithmetic_us, self.memory_us)

    @property
    def times(self) -> float:
        """How many times above its limit the call is."""
        return self.p50_us / self.bound_us

    def share(self, microseconds: float) -> float:
        """What a part is of the measured time, 1 at most."""
        return min(microseconds / self.p50_us, 1.0)

    @property
    def rest_us(self) -> float:
        """What none of the parts explains: kernels that are slower on so few numbers than at their best."""
        return max(self.p50_us - self.call_us - self.operators_us - self.bound_us, 0.0)


def said(costs: Sequence[Cost]) -> tuple[str, ...]:
    """A sentence on each step: how far above its limit, and what the time goes into."""
    return tuple(map(_said, costs))


def _said(cost: Cost) -> str:
    limit = "the arithmetic" if cost.arithmetic_us > cost.memory_us else "reading its weights"
    parts = (cost.call_us, cost.operators_us, cost.bound_us, cost.rest_us)
    call, operators, bound, rest = (f"{100 * cost.share(part):.0f} %" for part in parts)
    return (
        f"{cost.entry} takes {cost.p50_us:.1f} µs, {cost.times:.1f} times what {limit} needs at best "
        f"({cost.bound_us:.2f} µs): {call} of it is the call itself, {operators} are {cost.work.operators} operators' "
        f"overhead, {bound} that limit, and {rest} is lost within operators."
    )
