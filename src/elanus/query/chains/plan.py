"""Chains in a search's plan: which may be there, and where they run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from elanus.model.errors import InvalidParameter
from elanus.model.manifest import Manifest
from elanus.model.settings import FunctionSettings
from elanus.query.candidates import Page
from elanus.query.chains.compile import Chain, compile_chain
from elanus.query.chains.spec import ChainSpec, ChainStage
from elanus.query.chains.stage import ChainedCandidates, ChainedHits
from elanus.query.plan import SearchPlan
from elanus.query.ranking.scorer import ALONE
from elanus.query.request import SearchRequest

SEARCH_STAGES = (ChainStage.L0_RERANK, ChainStage.L2_RERANK)


def chained(plan: SearchPlan, manifest: Manifest, request: SearchRequest, functions: FunctionSettings) -> SearchPlan:
    """Return the plan with the request's chains; raises InvalidParameter or MissingParameter for what can't be."""
    if not request.function_chains:
        return plan
    _check(request)
    chains = {spec.stage: compile_chain(spec, manifest.schema, functions) for spec in request.function_chains}
    first, last = (chains.get(stage) for stage in SEARCH_STAGES)
    _check_grouping(request, first, last)
    if first is not None and first.rescores:
        plan = replace(plan, scorer=ChainedHits(first, manifest.schema.primary))
    if last is not None:
        paged = plan.stages or (Page(plan.offset, plan.limit),)
        plan = replace(plan, stages=(ChainedCandidates(last), *paged))
    return plan


def _check(request: SearchRequest) -> None:
    if request.rerank is not None:
        raise InvalidParameter("function_score and function_chains cannot be used together")
    if request.iteration is not None:
        raise InvalidParameter(ALONE)
    _check_stages(request.function_chains)


def _check_stages(chains: Sequence[ChainSpec]) -> None:
    seen = set()
    for chain in chains:
        if chain.stage not in SEARCH_STAGES:
            raise InvalidParameter(
                f"function chain stage {chain.stage.label} is not supported for search, "
                f"only [{', '.join(stage.label for stage in SEARCH_STAGES)}] are"
            )
        if chain.stage in seen:
            raise InvalidParameter(f"function chain stage {chain.stage.label} appears more than once")
        seen.add(chain.stage)


def _check_grouping(request: SearchRequest, first: Chain | None, last: Chain | None) -> None:
    if request.group is None:
        return
    if first is not None:
        raise InvalidParameter(ALONE)
    if last is not None and last.selects:
        raise InvalidParameter("a function chain that drops columns cannot be used with group by")
