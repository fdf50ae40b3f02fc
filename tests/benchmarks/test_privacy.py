import xml.etree.ElementTree as ElementTree

import msgspec
import pytest

from benchmarks import invented
from benchmarks.test_results_page import CROSSFIT
from nearsight.report import DiscreteLaplace, RandomisedResponse
from nearsight_benchmarks.privacy import Accuracy, Privacy, expected_points, main, measured, table
from nearsight_benchmarks.results_page import render
from nearsight_training.aggregate import noise_variance


@pytest.fixture(scope="module")
def found():
    return measured(60, 3, epsilons=(0.5, 2.0), users=(200, 800), command="python -m nearsight_benchmarks.privacy")


def test_errors_are_as_large_as_the_noise_says(found):
    for each in found.accuracies:
        if each.expected is not None:
            assert each.points == pytest.approx(each.expected, rel=0.4)  # a quantile of 60 trials


def test_errors_fall_with_epsilon_and_with_users(found):
    points = {(each.kind, each.users, each.epsilon): each.points for each in found.accuracies}
    assert len(points) == 3 * 2 * 2
    for kind in ("count", "segments", "mean"):
        assert points[kind, 800, 2.0] < points[kind, 200, 2.0] < points[kind, 200, 0.5]
        assert points[kind, 800, 2.0] < points[kind, 800, 0.5]


def test_a_seed_gives_the_same_figures_again(found):
    again = measured(60, 3, epsilons=(0.5,), users=(200,))
    assert again.accuracies[0] == found.accuracies[0]


def test_the_expected_error_is_the_papers():
    """At ε = 1 over 10,000 users: 1.96 · √(pq) / (p - q) / 100, with p = e / (e + 1)."""
    two = RandomisedResponse(epsilon=1.0, options=("no", "yes"))
    assert expected_points(two, 10_000) == pytest.approx(1.8806, abs=1e-4)
    assert expected_points(RandomisedResponse(epsilon=1.0, options=("a", "b", "c")), 10_000) is None
    number = DiscreteLaplace(epsilon=1.0, low=0, high=100, step=1)
    assert noise_variance(number) == pytest.approx(2 * 100**2, rel=1e-4)  # as of continuous noise
    assert expected_points(number, 10_000) == pytest.approx(1.96 * 2**0.5, rel=1e-4)


def test_it_is_one_command(tmp_path, capsys):
    out, plot = tmp_path / "privacy.json", tmp_path / "privacy.svg"
    main(["--trials", "1", "--out", str(out), "--plot", str(plot)])
    written = msgspec.json.decode(out.read_bytes(), type=Privacy)
    assert capsys.readouterr().out == table(written)
    words = [text.text for text in ElementTree.parse(plot).iter("{http://www.w3.org/2000/svg}text")]
    assert {"yes/no count, 10,000 users", "mean, 1,000 users", "ε of the question", "0.25"} <= set(words)
    with pytest.raises(SystemExit) as end:
        main(["--trials", "0"])
    assert end.value.code == 2


def test_the_page_says_what_noise_costs():
    figures = {"kind": "count", "epsilon": 1.0, "points": 1.8, "expected": 1.88}
    accuracies = tuple(Accuracy(**figures, users=users, within_3=0.995) for users in (1000, 10_000))
    found = Privacy(
        accuracies=accuracies, trials=200, seed=1, report_us={"count": 15.9}, load_average=0.1, host=invented.HOST,
        command="python -m privacy",
    )  # fmt: skip
    page = render(invented.results(), CROSSFIT, more=[found])
    assert "| count | 10,000 | 1.80 (1.88) |" in page
    assert "over 10,000 users at ε = 1 is off by at most 3 % of the users in 99.5 % of trials." in page
    assert "(median): count 15.9 µs." in page
    assert "What noise costs" not in render(invented.results(), CROSSFIT)
