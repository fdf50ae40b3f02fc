"""The article's wide table, from CSV to predictions."""

import io

import numpy as np
import pytest

from nearsight.bundle import Bundle, sealed, write_bundle
from nearsight.errors import InputError
from nearsight.heads import calibrated
from nearsight.manifest import Manifest, model_id
from nearsight_training.columns import Table
from nearsight_training.config import Fitting, Size, TableConfig
from nearsight_training.histories import SPLITS
from nearsight_training.predict import predict
from nearsight_training.run import load_histories, load_weights
from nearsight_training.split import TRAIN
from nearsight_training.table import prepare_table, read_table
from nearsight_training.train import train_table

CONFIG = TableConfig(size=Size(filters=16, units=20), fitting=Fitting(epochs=15, batch_events=512, learning_rate=5e-3))


def rising(rows, seed=0):
    """Ten noisy steps; the label says whether the last ones are higher than the first ones."""
    generator = np.random.default_rng(seed)
    values = generator.normal(50, 10, (rows, 10))
    return values, (values[:, 7:].mean(1) > values[:, :3].mean(1)).astype(int)


def wide_file(path, values, labels=None):
    columns = [f"step_{k}" for k in range(values.shape[1])]
    lines = [",".join(columns + ([] if labels is None else ["will_buy"]))]
    for row, numbers in enumerate(values.tolist()):
        lines.append(",".join([*map(repr, numbers), *([] if labels is None else [str(labels[row])])]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def wide_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wide")
    source = wide_file(folder / "behaviour.csv", *rising(900))
    return train_table(source, CONFIG, folder / "run"), folder / "run"


def bundle_of(run, folder, path):
    """The bundle that NumPy can run."""
    weights = calibrated(load_weights(folder), run.heads)
    buffer = io.BytesIO()
    np.savez(buffer, **weights)
    members = {"step.npz": buffer.getvalue()}
    manifest = Manifest(
        name="wide",
        model=model_id(weights),
        created=run.created,
        spec=run.spec,
        trunk=run.trunk,
        heads=run.heads,
        window=run.window,
        members=sealed(members, {"step.npz": "fp32"}),
    )
    write_bundle(path, Bundle(manifest, members))
    return path


@pytest.fixture(scope="module")
def wide_bundle(wide_run, tmp_path_factory):
    return bundle_of(*wide_run, tmp_path_factory.mktemp("bundle") / "wide.nsight")


def test_it_learns_what_a_single_step_cannot_say(wide_run):
    run, _ = wide_run
    assert run.metrics["label"]["auc"].low > 0.8
    assert {"accuracy", "precision", "recall", "f1"} <= run.metrics["label"].keys()
    assert run.trunk.code_sizes == (3,)
    assert run.window == 10
    assert not load_weights(wide_run[1])["embedding_0"].any()


def test_each_column_is_scaled_to_the_training_rows_range(wide_run):
    histories = load_histories(wide_run[1])
    rows = histories.numbers.reshape(-1, 10)
    training = rows[histories.split == TRAIN]
    assert training.min(0).tolist() == [0.0] * 10
    assert training.max(0).tolist() == [1.0] * 10
    assert rows.min() == 0.0
    assert rows.max() == 1.0


def test_the_answer_is_known_at_the_end_of_the_row_alone(wide_run):
    labels = load_histories(wide_run[1]).labels.reshape(-1, 10)
    assert (labels[:, :-1] == -1).all()
    assert set(labels[:, -1].tolist()) == {0, 1}


def test_the_split_keeps_the_classes_shares():
    labels = np.repeat([0, 1], [900, 100]).astype(np.int8)
    samples = read_table_of(np.random.default_rng(0).normal(size=(1000, 3)), labels)
    histories = prepare_table(samples, TableConfig()).histories
    for split, share in zip(range(len(SPLITS)), (0.7, 0.1, 0.2), strict=True):
        counts = np.bincount(labels[histories.split == split])
        assert counts.tolist() == pytest.approx([900 * share, 100 * share])


def read_table_of(values, labels):
    import polars as pl

    columns = {f"s{k}": values[:, k] for k in range(values.shape[1])}
    return read_table(Table("t.csv", pl.DataFrame({**columns, "label": labels}), 2))


def test_new_rows_are_scored_by_column_name_with_or_without_a_label(wide_run, wide_bundle, tmp_path):
    values, labels = rising(200, seed=9)
    plain = predict(wide_bundle, wide_file(tmp_path / "new.csv", values), runtime="numpy")
    with_labels = predict(wide_bundle, wide_file(tmp_path / "old.csv", values, labels), runtime="numpy")
    assert plain == with_labels
    chances = np.array([row.probability["label"] for row in plain.predictions])
    yes = np.array([row.yes["label"] for row in plain.predictions])
    assert ((chances > 0.5) == labels).mean() > 0.75
    assert np.array_equal(yes, chances >= wide_run[0].heads[0].threshold)
    assert [row.who for row in plain.predictions[:3]] == ["1", "2", "3"]
    shuffled = tmp_path / "shuffled.csv"
    table = Table.read(tmp_path / "new.csv").frame
    table.select(sorted(table.columns, reverse=True)).write_csv(shuffled)
    assert predict(wide_bundle, shuffled, runtime="numpy") == plain


def test_a_table_with_other_columns_is_refused(wide_bundle, tmp_path):
    values = rising(3)[0]
    longer = wide_file(tmp_path / "long.csv", np.concatenate([values, np.ones((3, 3))], 1))
    with pytest.raises(InputError, match="13 columns where the model takes 10 steps and at most one label"):
        predict(wide_bundle, longer, runtime="numpy")
    shorter = wide_file(tmp_path / "short.csv", values[:, :9])
    with pytest.raises(InputError, match="no column 'step_9'"):
        predict(wide_bundle, shorter, runtime="numpy")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "a,label\n1,0\n2,2\n",
            "line 3: the label in the last column 'label' must be 0 or 1, received what is spelled like '9'",
        ),
        ("a,label\n1,0\nx,1\n", "line 3: column 'a' must hold numbers, received what is spelled like 'x'"),
        ("a,label\n1,0\n,1\n", "line 3: column 'a' is empty"),
        ("a,label\n1,0\nnan,1\n", "line 3: column 'a' must hold finite numbers"),
        ("a,label\n1,0\ninf,1\n", "line 3: column 'a' must hold finite numbers"),
        ("a,a,label\n1,1,0\n", "more than one column 'a'"),
        ("label\n1\n", "at least one step and a label"),
        ("a,label\n", "holds no rows"),
        ("a,label\n1,0\n2,0\n3,0\n", "needs both labels, received 0 rows labelled 1 of 3"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, words):
    path = tmp_path / "wide.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        train_table(path, TableConfig(), tmp_path / "run")
    assert [each.name for each in tmp_path.iterdir()] == ["wide.csv"]
