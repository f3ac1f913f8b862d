"""Forecasts of a series: no day sees its future, and any CSV with dates and values serves."""

import pandas as pd
import pytest
import torch

from tests.cases import CASES
from trainables.data import DataError
from trainables.data.series import read_series
from trainables.series import boundaries, scale_of
from trainables.temperatures import FILE, Temperatures


@pytest.fixture(autouse=True)
def no_data_dir(monkeypatch, tmp_path):
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def ramp(tmp_path):
    """A hundred days whose value is their number."""
    dates = pd.date_range("2020-01-01", periods=100).strftime("%Y-%m-%d")
    path = tmp_path / "ramp.csv"
    pd.DataFrame({"when": dates, "value": [float(day) for day in range(100)]}).to_csv(path, index=False)
    return path


def task_of(csv, **changes):
    trainable = Temperatures()
    hyperparameters = trainable.Hyperparameters(csv=str(csv), window=5, hidden=4, **changes)
    return trainable.start(hyperparameters, seed=0).task


def days(task, batch):
    """The number of the day of each value of the windows, and of the targets."""
    return [(values * task.std + task.mean).round().long() for values in (batch.inputs, batch.targets)]


def test_windows_are_the_days_before_their_target(ramp):
    task = task_of(ramp)
    (batch,) = task.batches(1000, torch.Generator())
    windows, targets = days(task, batch)
    assert sorted(targets.tolist()) == list(range(5, 70))
    assert torch.equal(windows, targets[:, None] - torch.arange(5, 0, -1))


def test_splits_follow_each_other_in_time(ramp):
    assert boundaries(100) == (70, 80)
    task = task_of(ramp)
    for split, expected in (("validation", range(70, 80)), ("test", range(80, 100))):
        _, targets = days(task, task._batch(task._evaluated[split]))
        assert targets.tolist() == list(expected)


def test_the_scale_is_that_of_the_training_days(ramp):
    training = pd.Series(range(70))
    assert scale_of(read_series(ramp)) == (training.mean(), training.std(ddof=0))
    later = pd.read_csv(ramp)
    later.loc[70:, "value"] = 1e6
    later.to_csv(ramp, index=False)
    assert scale_of(read_series(ramp)) == (training.mean(), training.std(ddof=0))


def test_later_days_do_not_reach_training(ramp):
    def weights():
        training = Temperatures().start(
            Temperatures.Hyperparameters(csv=str(ramp), window=5, hidden=4, epochs=1), seed=0
        )
        next(iter(training))
        return training.task.model.state_dict()

    before = weights()
    later = pd.read_csv(ramp)
    later.loc[70:, "value"] = -50.0
    later.to_csv(ramp, index=False)
    after = weights()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_subset_is_of_the_last_training_days(ramp):
    task = task_of(ramp, train_subset=8)
    (batch,) = task.batches(1000, torch.Generator())
    assert sorted(days(task, batch)[1].tolist()) == list(range(62, 70))
    assert task.n_examples == 8


def test_a_sample_is_spread_over_the_training_days_in_batches(tmp_path):
    dates = pd.date_range("2020-01-01", periods=1000).strftime("%Y-%m-%d")
    path = tmp_path / "long.csv"
    pd.DataFrame({"when": dates, "value": [float(day) for day in range(1000)]}).to_csv(path, index=False)
    task = task_of(path)  # 695 windows
    batches = task.sample(300)
    assert [batch.weight for batch in batches] == [256, 44]
    targets = torch.cat([days(task, batch)[1] for batch in batches])
    assert (targets[0], targets[-1]) == (5, 699)
    assert set(targets.diff().tolist()) == {2, 3}  # 694 days in 299 steps


@pytest.mark.parametrize("split", ["validation", "test"])
def test_errors_are_in_the_unit_of_the_data_beside_the_last_value(split, ramp):
    task = task_of(ramp)
    scores = task.evaluate(split)
    assert scores["rmse_last_value"] == pytest.approx(1.0, rel=1e-4)  # the ramp rises by 1 a day
    inputs, targets, _ = task._batch(task._evaluated[split])
    errors = [
        float(task.model(window[None]).detach() - target) * task.std
        for window, target in zip(inputs, targets, strict=True)
    ]
    expected = (sum(error**2 for error in errors) / len(errors)) ** 0.5
    assert scores["rmse"] == pytest.approx(expected, rel=1e-4)
    assert scores["loss"] == pytest.approx((expected / task.std) ** 2, rel=1e-4)


@pytest.mark.parametrize(("offset", "factor"), [(1e9, 1.0), (-1e12, 1.0), (0.0, 1e39), (1e45, 1e40)])
def test_values_far_from_zero_keep_their_digits(offset, factor, ramp):
    trainable = Temperatures()
    near = task_of(ramp)
    inputs, targets, _ = near._batch(near._evaluated["test"])
    ramped = pd.read_csv(ramp)
    ramped["value"] = ramped["value"] * factor + offset
    ramped.to_csv(ramp, index=False)
    far = task_of(ramp)
    assert far.evaluate()["rmse_last_value"] == pytest.approx(factor, rel=1e-3)
    assert far.evaluate()["loss"] == pytest.approx(near.evaluate()["loss"], rel=1e-3)
    far_inputs, far_targets, _ = far._batch(far._evaluated["test"])
    torch.testing.assert_close((far_inputs, far_targets), (inputs, targets), rtol=1e-3, atol=1e-3)
    served = trainable.serving(far.model, trainable.Hyperparameters(csv=str(ramp), window=5, hidden=4))
    windows = inputs.double() * far.std + far.mean
    torch.testing.assert_close(
        (served(windows) - far.mean) / far.std, far.model(far_inputs).double(), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(
    ("values", "got"), [([3.0] * 100, "from 3 to 3"), ([1e200, -1e200] * 50, "from -1e")]
)
def test_training_days_must_vary_within_what_can_be_scaled(values, got, ramp):
    table = pd.read_csv(ramp)
    table["value"] = values
    table.to_csv(ramp, index=False)
    with pytest.raises(DataError, match=f"^the values of the training days must vary.*, got {got}"):
        Temperatures().prepare(Temperatures.Hyperparameters(csv=str(ramp), window=5))


def test_the_forecaster_reads_the_last_layers_last_state():
    hyperparameters = Temperatures.Hyperparameters(layers=2, hidden=6)
    model = Temperatures().model(hyperparameters)
    x = torch.randn(3, 10)
    _, (states, _) = model.recurrent(x[:, :, None])
    assert torch.allclose(model(x), model.head(states[-1]).squeeze(1))
    widths = [(layer.in_features, layer.out_features) for layer in (model.head[0], model.head[2])]
    assert widths == [(6, 40), (40, 1)]
    assert model.recurrent.input_size == 1


@pytest.mark.parametrize(
    ("cell", "kind"), [("lstm", torch.nn.LSTM), ("gru", torch.nn.GRU), ("rnn", torch.nn.RNN)]
)
def test_the_cell_is_the_one_asked_for(cell, kind, made_data):
    for name, where in (("temperatures", "recurrent"), ("conll2003", "forwards"), ("imdb", "recurrent")):
        changes = {"model": "recurrent"} if name == "imdb" else {}
        case = CASES[name](made_data, cell=cell, **changes)
        found = getattr(case.trainable.model(case.hyperparameters), where)
        assert type(found if name == "temperatures" else found[0]) is kind


def test_the_saved_network_forecasts_in_the_unit_of_the_data(ramp):
    task = task_of(ramp)
    trainable, hyperparameters = (
        Temperatures(),
        Temperatures.Hyperparameters(csv=str(ramp), window=5, hidden=4),
    )
    windows = torch.tensor([[10.0, 11, 12, 13, 14]])
    expected = task.model((windows - task.mean) / task.std) * task.std + task.mean
    torch.testing.assert_close(trainable.serving(task.model, hyperparameters)(windows), expected.double())


# Files


def test_a_relative_csv_is_below_the_data_dir(ramp):
    assert len(Temperatures(ramp.parent).load("ramp.csv")) == 100
    with pytest.raises(DataError, match=r"^csv: ramp\.csv: must be absolute where no data_dir is set"):
        Temperatures().load("ramp.csv")
    with pytest.raises(DataError, match=rf"^csv: {ramp.parent}/none\.csv: no such file"):
        Temperatures(ramp.parent).load("none.csv")


def test_days_are_put_in_order_and_columns_found_by_what_they_hold(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("place,load,day\nhere,3,2020-01-03\nhere,1,2020-01-01\nhere,2,2020-01-02\n")
    assert read_series(path).tolist() == [1.0, 2.0, 3.0]


DATES = "must have, separated by commas, one column of dates such as 1981-01-01"
NUMBERS = "must have one column of numbers besides the dates"
DAYS = "".join(f"2020-01-0{day},{day}.5\n" for day in range(1, 10))


@pytest.mark.parametrize(
    "text",
    [
        f"day,load\n{DAYS}",
        DAYS,
        f"\n\n{DAYS}\n",
        f"\ufeffday,load\n{DAYS}",
        f"day, load\n{DAYS.replace(',', ', ')}",
        f"day,load\n{DAYS}".replace("\n", "\r\n"),
        "".join(f'"{line[:10]}","{line[11:]}"\n' for line in DAYS.splitlines()),
        ",day,load\n" + "".join(f"{row},{line}\n" for row, line in enumerate(DAYS.splitlines())),
        f",load\n{DAYS}",
    ],
    ids=["header", "no-header", "blank-lines", "bom", "blanks", "crlf", "quotes", "index", "unnamed-dates"],
)
def test_no_row_of_a_csv_is_lost(text, tmp_path):
    path = tmp_path / "a ?b#.csv"
    path.write_text(text, encoding="utf-8", newline="")
    series = read_series(path)
    assert series.tolist() == [day + 0.5 for day in range(1, 10)]
    assert [day.day for day in series.index] == [*range(1, 10)]


def test_hours_across_a_clock_change_are_ordered_by_their_offsets(tmp_path):
    path = tmp_path / "a.csv"
    hours = ["2020-10-25T02:30+02:00", "2020-10-25T02:30+01:00", "2020-10-25T01:30+02:00"]
    path.write_text("hour,load\n" + "".join(f"{hour},{row}\n" for row, hour in enumerate(hours)))
    assert read_series(path).tolist() == [2.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty$"),
        (
            "version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "is only a pointer to a file of Git LFS; ",
        ),
        ("<!DOCTYPE html>\n<html>\n", "is a web page, not the data; download it again$"),
        ("a,b\n1,2\n", f"{DATES}, has none of a, b; row 2 is '1,2'$"),
        ("a,b\nx,1\n", "row 2: 'x' is not a date such as 1981-01-01$"),
        ("a,b\nx,y\n", f"{DATES}, has none of a, b; row 2 is 'x,y'$"),
        ("a,b\n01/02/1981,1\n02/02/1981,2\n", "row 2: '01/02/1981' is not a date such as 1981-01-01$"),
        (f"2020-01-10,NA\n{DAYS}", "row 1: 'NA' is not a number such as 20.7$"),
        (f"2020-01-10,\n{DAYS}", "row 1 has no value$"),
        (f"10.01.2020,1.5\n{DAYS}", "row 1: '10.01.2020' is not a date such as 1981-01-01$"),
        (f'2020-01-10,"1,5"\n{DAYS}', "row 1: '1,5' is not a number such as 20.7$"),
        ("a,b\n", f"{DATES}, has none of a, b; it has no rows$"),
        ("a;b\n2020-01-01;1\n", f"{DATES}, has none of a;b; row 2 is '2020-01-01;1'$"),
        ("a,b\n2020-01-01,2020-01-01\n", f"{DATES}, has a, b of a, b; row 2"),
        ("a,b\n2020-01-01,1\n2020-01-02,n/k\n", "row 3: 'n/k' is not a number such as 20.7$"),
        (f"a,b\n{DAYS}2020-01-10,?0.2\n", r"row 11: '\?0.2' is not a number such as 20.7$"),
        (f"a,b\n{DAYS}2020-01-10,1e400\n", "row 11: '1e400' is not a number such as 20.7$"),
        (f"a,b\n{DAYS}2020-02-30,1\n", "row 11: '2020-02-30' is not a date such as 1981-01-01$"),
        (f"a,b\n{DAYS}Sum,40.5\n", "row 11: 'Sum' is not a date such as 1981-01-01$"),
        (
            f"a,b\n{DAYS}Source: a station\n",
            "row 11 must have 2 values, as row 1 has, got 1: 'Source: a station'; sep",
        ),
        (
            "a,b\n2020-01-01,20,7\n",
            "row 2 must have 2 values, as row 1 has, got 3: '2020-01-01,20,7'; separate values by",
        ),
        ('a,b\n2020-01-01,"20,7"\n', "row 2: '20,7' is not a number such as 20.7$"),
        ("a,a\n2020-01-01,1\n", "row 1 names two columns alike: a, a$"),
        ("a,b,c\n2020-01-01,1,2\n", f"{NUMBERS}, has b, c of a, b, c; row 2"),
        ("a,b,c\n2020-01-01,x,y\n", f"{NUMBERS}, has none of a, b, c; row 2"),
        ("a,b\n2020-01-01,1\n2020-01-02,\n", "row 3 has no value$"),
        ("a,b\n2020-01-01,1\n2020-01-01,2\n", "row 3: the date '2020-01-01' appears twice, first in row 2$"),
        ("a,b\n2020-01-01,1\n,2\n", "row 3 has no date$"),
        (
            "a,b\n2020-01-01T00:00Z,1\n2020-01-01T01:00,2\n",
            "row 3: '2020-01-01T01:00' has no offset from UTC, unlike '2020-01-01T00:00Z' in row 2$",
        ),
    ],
)
def test_a_csv_that_does_not_serve_says_why(text, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=f"^{path}: {message}"):
        read_series(path)


def test_a_csv_must_be_in_utf_8(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"day,load\n{DAYS}", encoding="utf-16")
    with pytest.raises(DataError, match=f"^{path}: is not text in UTF-8; save it as a CSV in UTF-8$"):
        read_series(path)


def test_a_folder_in_place_of_a_csv_is_named(tmp_path):
    with pytest.raises(DataError, match=f"^{tmp_path}: is a folder; name the file in it"):
        Temperatures().load(str(tmp_path))


def test_a_series_too_short_for_its_windows_is_refused(ramp):
    trainable = Temperatures()
    with pytest.raises(DataError, match=r"^window: must be below the 70 training days of 100, got 70"):
        trainable.prepare(trainable.Hyperparameters(csv=str(ramp), window=70))
    trainable.prepare(trainable.Hyperparameters(csv=str(ramp), window=69))
    with pytest.raises(DataError, match=r"^train_subset: must be at most the 65 training examples, got 66"):
        trainable.prepare(trainable.Hyperparameters(csv=str(ramp), window=5, train_subset=66))


def test_without_the_file_the_message_says_where_to_put_it(monkeypatch):
    monkeypatch.setattr("trainables.temperatures.URL", "http://127.0.0.1:9/none.csv")
    with pytest.raises(
        DataError, match=rf"^http://127\.0\.0\.1:9/none\.csv: cannot be read .* holds {FILE}$"
    ):
        Temperatures().load()


def test_a_download_is_kept(monkeypatch, made_data):
    monkeypatch.setattr("trainables.temperatures.URL", str(made_data / FILE))
    first = Temperatures().load()
    monkeypatch.setattr("trainables.temperatures.URL", "http://127.0.0.1:9/none.csv")
    assert Temperatures().load().tolist() == first.tolist() == read_series(made_data / FILE).tolist()
