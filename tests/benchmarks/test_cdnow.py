import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.conftest import DAY, shop
from nearsight_benchmarks.cdnow import NETWORK, CrossFit, config, cross_fitted, folds
from nearsight_training.config import Fitting, Size, Target
from nearsight_training.log import log_of
from nearsight_training.split import TEST, TRAIN, VALIDATION


@given(st.integers(20, 300), st.integers(2, 7), st.integers(0, 5))
def test_everyone_is_tested_once_by_models_that_never_saw_them(users, count, seed):
    splits = np.array(folds(users, count, seed))
    assert ((splits == TEST).sum(0) == 1).all()
    sizes = (splits == TEST).sum(1)
    assert sizes.max() - sizes.min() <= 1
    assert set(np.unique(splits)) == {TRAIN, VALIDATION, TEST}
    assert ((splits == TRAIN).sum(1) > (splits == VALIDATION).sum(1)).all()


def test_the_question_is_whether_they_buy_again_in_39_weeks():
    told = config()
    assert (told.cutoff, told.split) == ("1997-09-30", "user")
    assert told.targets[0].within_seconds == 39 * 7 * DAY


def test_every_customer_is_scored_and_the_models_are_compared():
    told = msgspec.structs.replace(
        config(),
        targets=(Target(name="purchase", events=("purchase",), within_seconds=30.0 * DAY),),
        cutoff=80.0 * DAY,
        window=16,
        size=Size(filters=4, units=6),
        fitting=Fitting(epochs=1),
    )
    log = log_of(shop(160, 3), told)
    found = cross_fitted(log, told, count=2, draws=50)
    asked = {user for user, when in zip(log.owners.tolist(), log.times.tolist(), strict=True) if when <= 80.0 * DAY}
    assert found.customers == len(asked)
    assert set(found.auc) == {NETWORK, "LightGBM", "BG/NBD"}
    for name, difference in found.network_less.items():
        assert difference.value == pytest.approx(found.auc[NETWORK].value - found.auc[name].value)
        assert found.auc[name].value == pytest.approx(np.mean(found.by_fold[name]))
    assert set(found.pooled_less) == set(found.network_less)
    assert found.auc["BG/NBD"].value > 0.8  # who still buys was made to be told from who stopped
    assert all(len(each) == 2 for each in found.by_fold.values())
    assert msgspec.json.decode(msgspec.json.encode(found), type=CrossFit) == found
