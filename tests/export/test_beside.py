"""Segments and alarms of every runtime beside the trained network's, and what a bundle and its card say of them."""

import msgspec
import numpy as np
import pytest

import made_up
from nearsight.backends import choose
from nearsight.backends.reference import NumpyBackend
from nearsight.insight import Insight
from nearsight.segment import Segments
from nearsight.session import Model
from nearsight_export.anchoring import compared
from nearsight_export.beside import judged, offered, outlined, proven_beside
from nearsight_export.errors import CertificateError
from nearsight_export.proof import shipped
from nearsight_export.replay import replayed
from nearsight_training.beside import Beside, Segmentation, Vigilance
from nearsight_training.metrics import Interval
from nearsight_training.segments import centred, clusters

RATE = Interval(0.25, 0.2, 0.3)


@pytest.fixture(scope="module")
def before(made):
    return replayed(NumpyBackend(made.weights, made.run.trunk), made.run.trunk, made.exam.histories)


@pytest.fixture(scope="module")
def embeddings(before):
    return before.embeddings


@pytest.fixture(scope="module")
def beside(made, embeddings):
    """Three segments of the exam's own users, and the made-up alarm."""
    places = np.argsort(np.argsort(embeddings[:, 0])) * 3 // len(embeddings)
    bare = made_up.beside(made_up.bundle()).manifest.segments
    segments = centred(tuple(msgspec.structs.replace(each, rates={"cart": 0.25}) for each in bare), embeddings, places)
    return Beside(
        segmentation=Segmentation(
            segments=segments,
            silhouette=0.4,
            stability=0.9,
            users=(30, 30, 20),
            test_shares=(0.4, 0.3, 0.3),
            rates=({"cart": RATE}, {}, {}),
            moves=0.2,
        ),
        average=made_up.beside(made_up.bundle()).manifest.average,
        vigilance=Vigilance(alarm=made_up.ALARM, flagged=RATE, caught=RATE),
    )


@pytest.fixture(scope="module")
def manifest(made, beside):
    return msgspec.structs.replace(
        made.manifest, segments=beside.segmentation.segments, average=beside.average, alarm=beside.vigilance.alarm
    )


def shifted_offset(segments, embeddings):
    """The first segment draws in the users who are nearest to it, a few of each other one's."""
    scores = (
        np.array([[*each.weights, each.offset] for each in segments]) @ np.c_[embeddings, np.ones(len(embeddings))].T
    )
    lead = np.sort((scores[1:].max(0) - scores[0])[scores.argmax(0) > 0])[4]
    return (msgspec.structs.replace(segments[0], offset=segments[0].offset + lead + 1e-3), *segments[1:])


def events_of(histories, user):
    span = histories.span(user)
    columns = {name: values[span].tolist() for name, values in histories.fields.items()}
    fields = [{name: column[k] for name, column in columns.items()} for k in range(span.stop - span.start)]
    return list(zip(histories.names[span].tolist(), histories.times[span].tolist(), fields, strict=True))


def test_a_replay_ends_with_the_embeddings_of_sessions(made, manifest, embeddings):
    insight = Insight(manifest, Model(NumpyBackend(made.weights, made.run.trunk), manifest))
    histories = made.exam.histories
    readings = insight.score_many([events_of(histories, user) for user in range(len(histories))])
    np.testing.assert_allclose(readings.embedding, embeddings, atol=1e-5)


@pytest.mark.parametrize(
    ("runtime", "artifact", "differ"),
    [
        ("litert", "fp32/step.tflite", 0.0),
        ("onnx", "fp32/step.onnx", 0.0),
        ("litert", "int8/step.tflite", 0.05),
        ("onnx", "int8/step.onnx", 0.05),
    ],
)
def test_every_runtime_assigns_the_same_segment(made, manifest, runtime, artifact, differ):
    """Exactly for float32, but for users whose two nearest centres lie within 1e-4; int8 moves embeddings by 1e-2."""
    histories = [events_of(made.exam.histories, user) for user in range(len(made.exam.histories))]
    reference = Insight(manifest, Model(NumpyBackend(made.weights, made.run.trunk), manifest)).score_many(histories)
    member = artifact.split("/")[1]
    backend = choose(runtime, {member: made.files[artifact]}, made.run.trunk)
    found = Insight(manifest, Model(backend, manifest)).score_many(histories).segments
    apart = np.array([name != other for name, other in zip(found, reference.segments, strict=True)])
    if not differ:
        scores = np.array([[*each.weights, each.offset] for each in manifest.segments])
        margins = np.sort(np.c_[reference.embedding, np.ones(len(apart))] @ scores.T, 1)
        apart &= margins[:, -1] - margins[:, -2] > 1e-4
    assert apart.mean() <= differ


def test_a_comparison_counts_users_in_other_segments_and_other_alarms(made, beside, before):
    after = shipped(made.exam, "fp32/step.tflite", made.files["fp32/step.tflite"])
    same = compared(made.exam, before, beside, after, beside)
    assert (same.other_segment, same.flagged_by_one) == (0.0, 0.0)
    assert same.users == len(made.exam.histories)
    assert same.own_users == 1.0
    shifted = shifted_offset(beside.segmentation.segments, before.embeddings)
    other = msgspec.structs.replace(
        beside,
        segmentation=msgspec.structs.replace(beside.segmentation, segments=shifted),
        vigilance=msgspec.structs.replace(
            beside.vigilance, alarm=msgspec.structs.replace(made_up.ALARM, threshold=100.0)
        ),
    )
    found = compared(made.exam, before, beside, after, other)
    old, new = (Segments(each).places(before.embeddings) for each in (beside.segmentation.segments, shifted))
    assert 0 < found.other_segment == pytest.approx((old != new).mean())
    assert found.own_users == pytest.approx(min((old[new == place] == place).mean() for place in set(new)))
    assert (found.flagged, found.flagged_by_one) == (0.0, pytest.approx(same.flagged))
    assert compared(made.exam, before, Beside(), after, Beside()) is None


def test_a_segment_of_strangers_is_refused(made, beside, before):
    """The first and the last segment change names, so that nobody in either is their own."""
    turned = msgspec.structs.replace(beside.segmentation, segments=beside.segmentation.segments[::-1])
    with pytest.raises(CertificateError, match=r"0 % of the users in the segment 'kind [02]'.*at least 50 %"):
        compared(made.exam, before, beside, before, msgspec.structs.replace(beside, segmentation=turned))


def test_flagged_users_are_those_whom_a_session_flags(made, manifest, beside, before):
    found = compared(made.exam, before, beside, before, beside)
    insight = Insight(manifest, Model(NumpyBackend(made.weights, made.run.trunk), manifest))
    flagged = []
    for user in np.flatnonzero(made.exam.histories.lengths > 1):
        session = insight.session()
        events = events_of(made.exam.histories, user)
        flagged.append(any(session.observe(name, time, **fields).unusual for name, time, fields in events))
    assert 0 < np.mean(flagged) < 1
    assert found.flagged == pytest.approx(np.mean(flagged), abs=1e-9)


def test_a_bundle_says_what_it_offers(manifest, beside, made):
    lines = list(offered(manifest))
    assert lines[0] == "segment 'kind 0', 33.3 % of users; cart: yes in 25 %"
    assert any(
        line.startswith("profile, beside an average user who mostly does view, a visit every 3 days") for line in lines
    )
    assert lines[-1].startswith("surprise, unusual above 0.40 bits an event, chosen so that 1 % of ordinary users")
    assert list(offered(made.manifest)) == []
    words = " ".join(judged(beside))
    assert "cart: yes in 25 % (20 % to 30 %)" in words
    assert "25 % (20 % to 30 %) of the test's were ever flagged, where 1 % was asked for" in words
    assert list(judged(Beside())) == list(outlined(Beside())) == []
    short = list(outlined(beside))
    assert [each.split(" (")[0] for each in short] == ["Segments of users", "Unusual users: 25 %"], short


def test_a_certificate_says_how_many_users_change(made, beside, before):
    after = shipped(made.exam, "int8/step.tflite", made.files["int8/step.tflite"])
    figures = compared(made.exam, before, beside, after, beside)
    first, second = proven_beside(figures)
    assert first.startswith("compression puts ")
    assert "of ordinary users as unusual" in second


def test_pruning_keeps_segments_the_same_users(made, embeddings):
    """New weights turn all embeddings around: the same users, with centres computed anew, are found again."""
    noise = np.random.default_rng(0).normal(0, 0.01, (90, embeddings.shape[1]))
    points = (np.repeat(np.eye(3, embeddings.shape[1]), 30, 0) + noise).astype(np.float32)
    found = clusters(points, 1)
    bare = made_up.beside(made_up.bundle()).manifest.segments
    again = centred(bare, -2 * points + 1, found.places)
    assert np.array_equal(Segments(again).places(-2 * points + 1), found.places)
