"""Studies that are judged look by look, on real Ray, Optuna and MLflow; formulas stand in for training."""

import json
import shutil
from collections import Counter

import pytest
import yaml

from sweeps import SweepError, extend, load_spec, resume, run
from sweeps.record.folder import latest_sweep
from sweeps.record.trials import CONFIRM, SEARCH
from tests.curves import Curves
from tests.runs import children
from tests.threaded import publish_in_a_thread
from trainables import register

LOOKS = [9, 11, 13]
CLAIMS = [
    {"name": "none beats all", "metric": "test_accuracy", "better": "none", "worse": "all", "by": 0.01},
    # Their scores differ by a wave about 0, which no number of seeds decides.
    {"name": "layer beats none", "metric": "test_accuracy", "better": "layer", "worse": "none"},
]

pytestmark = pytest.mark.usefixtures("curves")


def study(**changes):
    """Three arms whose configurations are given: ``all`` is worst, ``layer`` and ``none`` are alike."""
    given = {"none": {}, "all": {"sigma": 0.2}, "layer": {"sigma": 1e-6}}
    base = {
        "name": "test-looks",
        "trainable": "curves",
        "compare": {"noise": ["none", "all", "layer"]},
        "fixed": {"epochs": 2, "lr": 0.1},
        "stages": {"confirm": {"looks": LOOKS, "configurations": given}},
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "budget": {"concurrent": 2},
        "claims": CLAIMS,
    }
    return base | changes


@pytest.fixture(scope="module")
def finished(ray_session, tmp_path_factory):
    """The study from start to end."""
    register(Curves)
    with pytest.MonkeyPatch.context() as patch:
        publish_in_a_thread(patch)
        return run(study(), storage=tmp_path_factory.mktemp("runs"))


def cut(finished, storage, keep):
    """Copy the sweep as if its driver had been killed after the first events that ``keep`` counts."""
    folder = latest_sweep(shutil.copytree(finished.path.parents[1], storage), finished.state.spec.name)
    lines = folder.journal.path.read_text().splitlines(keepends=True)
    folder.journal.path.write_text("".join(lines[: keep([json.loads(line) for line in lines])]))
    folder.bookmark.unlink()
    return folder


def after_look(look, more=0):
    """Count the events up to a look, and some after it."""

    def keep(events):
        looks = [index for index, event in enumerate(events) if event["event"] == "look"]
        return looks[look - 1] + 1 + more

    return keep


def trials_of(state):
    return {
        trial.id: (trial.arm, trial.seed, trial.status, trial.last.get("test_accuracy"))
        for trial in state.trials.values()
    }


def test_only_what_is_undecided_gets_more_seeds(finished):
    assert finished.complete
    seeds = {"none": 13, "all": 9, "layer": 13}
    for arm, n in seeds.items():
        # Seeds of a later look are new, and those of the earlier ones count again.
        assert sorted(trial.seed for trial in finished.state.of_stage(CONFIRM, arm)) == list(range(1, n + 1))
    assert sorted(children(finished)) == sorted(finished.state.trials)
    numbers = [trial.number for trial in finished.state.trials.values()]
    assert numbers == list(range(1, 36))


def test_rounds_are_balanced(finished):
    """Within a look, every arm gets a seed before any gets the next."""
    order = [(trial.seed, trial.arm) for trial in finished.state.by_number()]
    arms = ["none", "all", "layer"]
    first = [(seed, arm) for seed in range(1, 10) for arm in arms]
    assert order == first + [(seed, arm) for seed in range(10, 14) for arm in ("none", "layer")]


def test_verdicts_say_when_they_were_reached_and_what_they_cost(finished):
    worse, alike = finished.claims
    assert (worse.judgement.verdict, worse.judgement.look, worse.differences[0].n) == ("supported", 0, 9)
    # What its arms train for another claim later is no cost of this one.
    assert (worse.spent, worse.spared) == (2 * 9, 2 * 4)
    assert (alike.judgement.verdict, alike.judgement.look, alike.differences[0].n) == ("undecided", 2, 13)
    assert (alike.spent, alike.spared) == (26, 0)
    report = (finished.path / "report" / "report.md").read_text()
    assert "supported<br>look 1 of 3, 9 seeds" in report
    assert "undecided at the last look; excluded: below -0.0" in report


def test_the_looks_are_in_the_journal(finished):
    folder = latest_sweep(finished.path.parents[1], "test-looks")
    looks = [event for event, _ in folder.journal.read() if event["event"] == "look"]
    assert [look["seeds"] for look in looks] == [9, 11]
    assert [[point["noise"] for point in look["points"]] for look in looks] == [["none", "layer"]] * 2


@pytest.mark.parametrize(
    "keep",
    [after_look(1, more=3), after_look(1, more=-1)],
    ids=["within a look", "before a look is closed"],
)
def test_a_killed_sweep_resumes_in_its_look(finished, tmp_path, keep):
    folder = cut(finished, tmp_path / "runs", keep)
    assert not folder.state().complete
    resumed = resume("test-looks", storage=folder.storage)
    assert trials_of(resumed.state) == trials_of(finished.state)
    assert [claim.judgement for claim in resumed.claims] == [claim.judgement for claim in finished.claims]
    begun = [event["trial"] for event, _ in folder.journal.read() if event["event"] == "end"]
    assert len(set(begun)) == len(begun)


def test_undeclared_looks_are_refused(finished):
    spec = load_spec(study(stages={"confirm": {**study()["stages"]["confirm"], "looks": [*LOOKS, 26]}}))
    with pytest.raises(SweepError, match="looks and budget are as the sweep declared them") as refused:
        resume(spec, storage=finished.path.parents[1])
    assert "noisesweep extend test-looks" in str(refused.value)
    with pytest.raises(SweepError, match="all of alpha is spent"):
        extend("test-looks", looks=[*LOOKS, 26], storage=finished.path.parents[1])


def test_looks_that_are_left_can_be_shared_anew(finished, tmp_path, capsys):
    folder = cut(finished, tmp_path / "runs", after_look(1, more=3))
    first = folder.state().looks[0]
    extended = extend("test-looks", looks=[9, 12, 15, 18], storage=folder.storage)
    output = capsys.readouterr().out
    assert "at most 10 more trainings, of 2 undecided configurations" in output
    assert "the looks to come test the seeds after the first 10, whose results may be known" in output
    assert extended.complete
    assert extended.state.looks[0] == first
    assert [look.seeds for look in extended.state.looks] == [9, 12, 15, 18]
    assert sum(look.share for look in extended.state.looks) == pytest.approx(1)
    assert len(extended.state.of_stage(CONFIRM, "layer")) == 18
    assert "after 1 look: looks: [9, 11, 13] to [9, 12, 15, 18]" in (folder.report / "report.md").read_text()


def test_claims_after_the_fact_are_post_hoc(finished, tmp_path, capsys):
    storage = shutil.copytree(finished.path.parents[1], tmp_path / "runs")
    late = {
        "name": "none beats all and layer",
        "metric": "test_loss",
        "better": "none",
        "worse": ["all", "layer"],
    }
    changed = {**CLAIMS[0], "by": 0.1}
    file = tmp_path / "late.yaml"
    file.write_text(yaml.safe_dump(study(claims=[changed, CLAIMS[1], late])))
    before = latest_sweep(storage, "test-looks").state()
    result = resume(load_spec(file), storage=storage)
    assert trials_of(result.state) == trials_of(before)
    assert [claim.post_hoc for claim in result.claims] == [False, False, True, True]
    assert [claim.judgement for claim in result.claims[:2]] == [claim.judgement for claim in finished.claims]
    assert "none beats all (post hoc): supported" in capsys.readouterr().out
    # They stay, also if the file lacks them or gives them another name.
    file.write_text(yaml.safe_dump(study(claims=[{**late, "name": "another name"}])))
    again = resume(load_spec(file), storage=storage).claims
    assert [claim.claim.name for claim in again] == [claim.claim.name for claim in result.claims]
    assert "note: the claim 'layer beats none' stays, as the sweep has made it" in capsys.readouterr().out


def test_a_larger_search_keeps_its_trials(ray_session, tmp_path, capsys):
    search = {"lr": {"log_uniform": [1e-3, 0.1]}, "sigma": {"log_uniform": [1e-4, 0.3], "when": "noisy"}}
    stages = {"search": {"trials_per_arm": 3}, "confirm": {"seeds": 2}}
    spec = study(fixed={"epochs": 2}, search=search, stages=stages, claims=[], seed=3)
    before = run(spec, storage=tmp_path).state
    with pytest.raises(SweepError, match="must be more than its 3, as trials that exist are kept, got 3"):
        extend("test-looks", trials_per_arm=3, storage=tmp_path)
    extended = extend("test-looks", trials_per_arm=9, storage=tmp_path)
    state = extended.state
    assert extended.complete
    assert trials_of(before).items() <= trials_of(state).items()
    assert Counter(trial.arm for trial in state.of_stage(SEARCH)) == {"none": 7, "all": 9, "layer": 9}
    assert len({trial.number for trial in state.trials.values()}) == len(state.trials)
    assert state.selected == state.select() != before.selected
    for point in state.selected:
        assert [trial.seed for trial in state.confirmed(point)] == [4, 5]
    assert sum(state.counts().values()) == state.n_trials
    output = capsys.readouterr().out
    assert "extended: 16 more trials of the search" in output
    report = (latest_sweep(tmp_path, "test-looks").report / "report.md").read_text()
    assert "after 1 look: trials_per_arm: 3 to 9" in report
