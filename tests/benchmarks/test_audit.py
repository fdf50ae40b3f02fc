import msgspec
import numpy as np
import pytest

from benchmarks import invented
from benchmarks.test_results_page import CROSSFIT
from nearsight.backends.reference import NumpyBackend
from nearsight.heads import calibrated
from nearsight_benchmarks.audit import Audits, main, stranger
from nearsight_benchmarks.results_page import render
from nearsight_export.replay import replayed
from nearsight_training.metrics import auc
from nearsight_training.run import load_histories, load_run, load_weights


@pytest.fixture(scope="module")
def found(run_path, tmp_path_factory):
    out = tmp_path_factory.mktemp("audit") / "audit.json"
    main([str(run_path), "--brief", "--out", str(out)])
    return msgspec.json.decode(out.read_bytes(), type=Audits)


def test_a_run_is_audited_by_every_attack(found):
    (each,) = found.runs
    assert each.run == "run"
    assert set(each.audit.membership.attacks) == {
        "loss",
        "loss less what is foretold",
        "loss less a reference network's",
        "trees",
    }
    assert each.audit.membership.attacks["loss"].low < 0.55
    assert each.audit.disclosure.events[0].share > each.audit.disclosure.events[0].guessing


def test_the_reference_network_learned_from_the_users_it_was_given(run_path):
    """It tells who buys, though sixty users are few, and isn't the run's own."""
    run = load_run(run_path)
    fitting = msgspec.structs.replace(run.config.fitting, epochs=12)
    run = msgspec.structs.replace(run, config=msgspec.structs.replace(run.config, fitting=fitting))
    users = load_histories(run_path).select(1)
    given = replayed(stranger(run, users, 0.01), run.trunk, users).heads
    known = users.labels[:, 0] >= 0
    assert auc(users.labels[known, 0], given[known, 0]) > 0.6
    own = NumpyBackend(calibrated(load_weights(run_path), run.heads), run.trunk)
    assert np.abs(replayed(own, run.trunk, users).heads - given).max() > 0.01
    assert stranger(run, users.take(np.arange(49)), 1.0) is None


def test_the_page_says_what_is_given_away(found):
    page = render(invented.results(), CROSSFIT, more=[found])
    (each,) = found.runs
    membership, events = each.audit.membership, each.audit.disclosure.events
    assert f"| {each.run} | {membership.members:,} + {membership.others:,} | " in page
    assert f"{membership.control.value:.3f} ({membership.control.low:.3f} to {membership.control.high:.3f})" in page
    assert f"| {each.run} | the state | {100 * events[0].share:.3g} % |" in page
    assert f"| {each.run} | the number of events |" in page
    assert "give away" not in render(invented.results(), CROSSFIT)


def test_tables_name_the_events_that_were_asked_for(found):
    page = render(invented.results(), CROSSFIT, more=[found])
    assert "| run | told by | last | 2nd last | 5th last | 10th last |" in page


def test_a_run_that_was_not_exported_is_refused_in_a_sentence(tmp_path, run_path, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(run_path), "--artifact", "int9/step.tflite"])
    assert end.value.code == 2
    assert "run nearsight export on it first" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "isn't a run" in capsys.readouterr().err
