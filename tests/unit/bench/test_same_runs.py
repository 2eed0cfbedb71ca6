from dataclasses import replace

from bench.fleets import same_runs
from bench.fleets.same_runs import disagreements, swept_store
from sweep.conductor.snapshot import Place


def test_no_sweep_claims_more_than_a_verdict_on_its_runs():
    assert [disagreement for seed in range(24) for disagreement in disagreements(seed)] == []


def test_the_verdict_is_on_all_runs_of_the_sweep():
    swept = swept_store(3)

    ranked = {run.run_id for ranked_variant in swept.verdict.ranking for run in ranked_variant.variant.manifests}

    assert ranked == {measured.run_id for _, _, measured in swept.runs}
    assert len(ranked) >= len(swept.settings.candidates) > 1


def test_a_sweep_that_claims_what_its_runs_do_not_show_is_found(monkeypatch):
    seed = next(seed for seed in range(24) if "at most" in _objective(seed).claim)
    swept, objective = swept_store(seed), _objective(seed)
    places = tuple(
        replace(candidate, place=Place.eliminated if candidate.place is Place.may_be_best else candidate.place)
        for candidate in objective.candidates
    )
    bold = replace(objective, claim="It is the cheapest candidate, with 95 % certainty.", candidates=places)

    found = list(same_runs._disagreements(swept, bold))

    assert found[0].startswith("the sweep claims at most 0.0%, the verdict ")
    assert any("may be the best by the verdict, and not by the sweep" in disagreement for disagreement in found)


def _objective(seed):
    [objective] = swept_store(seed).outcome.last.objectives
    return objective
