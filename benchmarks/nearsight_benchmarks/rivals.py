"""The peers, fitted on the training split alone."""

from collections.abc import Iterator, Mapping, Sequence

from nearsight.errors import InputError
from nearsight_benchmarks import contestants
from nearsight_benchmarks.contestants import Found
from nearsight_benchmarks.material import Material
from nearsight_benchmarks.onnx_trees import OnnxTrees
from nearsight_training.histories import Histories
from nearsight_training.peers import BoostedTrees, BuyTillYouDie, Past, kinds_of
from nearsight_training.questions import Questions, customers, known_answers, pasts, questions, told

__all__ = ["fit_rivals", "fit_trees"]

_CURVE_QUESTIONS = 4_000  # for the two numbers of a logistic curve


def fit_rivals(material: Material, most: int, seed: int) -> Iterator[Found]:
    """Yield LightGBM, also in ONNX, and BG/NBD ready to be timed and asked, or a name and why it isn't there."""
    asked = {kind.kind: kind for kind in material.exam.kinds}
    targets = frozenset(material.head.events)
    given = {kind: list(pasts(material.exam.histories, each, targets)) for kind, each in asked.items()}
    try:
        trees = fit_trees(material, most, seed)
        yield contestants.peer(trees, "LightGBM", trees.content(), given, material.tape)
        yield _in_onnx(material, trees, given)
    except InputError as error:
        yield BoostedTrees.name, str(error)
    try:
        model = _fit_purchases(material, seed)
        yield contestants.peer(model, "lifetimes", model.content(), given, material.tape)
    except InputError as error:
        yield BuyTillYouDie.name, str(error)


def _in_onnx(material: Material, trees: BoostedTrees, given: Mapping[str, Sequence[Past]]) -> Found:
    try:
        model = OnnxTrees.converted(trees, kinds_of(material.run.spec))
    except InputError as error:
        return OnnxTrees.name, str(error)
    return contestants.peer(model, "ONNX Runtime", model.content(), given, material.tape)


def fit_trees(material: Material, most: int, seed: int) -> BoostedTrees:
    """LightGBM on at most `most` questions about training users, of the kinds that it will be asked."""
    count = kinds_of(material.run.spec)
    training, validation = (
        told(histories, _like(material, histories), count, most, seed)
        for histories in (material.training, material.validation)
    )
    return BoostedTrees.fit(training, validation, count, seed=seed)


def _fit_purchases(material: Material, seed: int) -> BuyTillYouDie:
    head = material.head
    if head.within_seconds is None or head.rhythm is not None or material.run.spec.clock is None:
        raise InputError("it needs a question about events within a time")
    targets = frozenset(head.events)
    answers = known_answers(material.training, _like(material, material.training), targets, _CURVE_QUESTIONS, seed)
    return BuyTillYouDie.fit(customers(material.training, targets), head.within_seconds, answers)


def _like(material: Material, histories: Histories) -> tuple[Questions, ...]:
    """The known questions about histories that are of the kinds in the exam."""
    wanted = {kind.kind for kind in material.exam.kinds}
    return tuple(kind for kind in questions(histories, material.target) if kind.kind in wanted)
