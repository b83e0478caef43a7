"""Ranking: rerank functions, as clients describe them, bound to a collection: fusions, scores and boosts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import orjson

from elanus.functions.rerank import check_queries, open_model
from elanus.model.errors import InvalidParameter, MissingParameter
from elanus.model.manifest import Manifest
from elanus.model.params import parse_bool
from elanus.model.schema import Field, Schema
from elanus.model.settings import FunctionSettings
from elanus.model.types import DataType, Metric
from elanus.query.candidates import Stage
from elanus.query.grouping.groups import Grouping, GroupScorer
from elanus.query.order import TOLERANCE
from elanus.query.plan import SearchPlan, bind_filter, plan_search
from elanus.query.ranking.boost import Boost, BoostMode, Boosts, RandomScore
from elanus.query.ranking.decay import DECAY_MAX, DECAY_MIN, Decay, DecayFunction
from elanus.query.ranking.fusion import (
    BestFirst,
    BestPage,
    Decayed,
    Fused,
    Fusion,
    Judged,
    MergedScores,
    ReciprocalRanks,
    ScoreMode,
    WeightedScores,
)
from elanus.query.ranking.normalize import similarities, unchanged
from elanus.query.ranking.scorer import ALONE
from elanus.query.request import Rerank, RerankFunction, SearchRequest
from elanus.query.structs.elements import element_filter_of

Params = Mapping[str, Any]

FLOAT32_MAX: Final = float(np.finfo(np.float32).max)
RRF_K: Final = 60.0
RRF_K_MAX: Final = 16_384


@dataclass(frozen=True, slots=True)
class Ranking:
    """How the hits of routes become one list.

    stages  what changes the fused hits' scores
    """

    fusion: Fusion
    stages: tuple[Stage, ...] = ()

    def paged(
        self, offset: int, limit: int, grouping: Grouping | None, scorer: GroupScorer = GroupScorer.MAX
    ) -> tuple[Stage, ...]:
        """Return the stages after the fusion: scores, order, and the page, of groups where hits are grouped.

        scorer  how groups are scored
        """
        if grouping is None:
            return (*self.stages, BestPage(offset, limit))
        return (*self.stages, BestFirst(), replace(grouping.stage(offset, limit), scorer=scorer))


@dataclass(frozen=True, slots=True)
class Setting:
    """What a function is bound to.

    metrics  of each route
    models   how models are reached
    """

    schema: Schema
    metrics: Sequence[Metric]
    models: FunctionSettings


def plan_reranked(manifest: Manifest, request: SearchRequest, models: FunctionSettings) -> SearchPlan:
    """Bind a search with its rerank functions; raises as ``plan_search`` and ``bind_ranking`` do."""
    plan = plan_search(manifest, request)
    rerank = request.rerank
    if rerank is None:
        return plan
    plan = boosted(plan, manifest, rerank, request)
    if rerank.main is None:
        return plan
    if request.iteration is not None:
        raise InvalidParameter(f"reranker {rerank.main.kind} is not supported with search_iterator")
    ranking = bind_ranking(rerank.main, Setting(manifest.schema, (plan.metric,), models))
    found = () if plan.grouping is None else grouped_hits(plan.grouping, plan.fetch_k)
    stages = (*found, Fused(ranking.fusion), *ranking.paged(plan.offset, plan.limit, plan.grouping))
    return replace(plan, stages=stages)


def grouped_hits(grouping: Grouping, limit: int) -> tuple[Stage, ...]:
    """Return the stages that leave of a grouping search's hits those of the first groups, nearest hits first.

    What is ranked must not depend on how far the search went to find enough groups.
    """
    return grouping.stage(0, limit), BestFirst(float(TOLERANCE))


def bind_ranking(function: RerankFunction | None, setting: Setting) -> Ranking:
    """Bind a function that is no boost; None stands for reciprocal ranks.

    raises  InvalidParameter or MissingParameter for what can't be
    """
    if function is None:
        return _reciprocal_ranks(RerankFunction("rrf"), setting)
    bind = _KINDS.get(function.kind)
    if bind is None:
        raise InvalidParameter(f"unsupported reranker {function.kind}")
    return bind(function, setting)


# --- by ranks and by weights ---


def _reciprocal_ranks(function: RerankFunction, _setting: Setting) -> Ranking:
    _no_inputs(function)
    k = _number("rank", "k", function.params.get("k", RRF_K))
    if not 0 < k < RRF_K_MAX:
        raise InvalidParameter(f"The rank params k should be in range (0, {RRF_K_MAX}), but got {k:g}")
    return Ranking(ReciprocalRanks(k))


def _weighted(function: RerankFunction, setting: Setting) -> Ranking:
    _no_inputs(function)
    metrics = setting.metrics
    weights = _weights(function.params)
    if len(weights) != len(metrics):
        raise InvalidParameter.expected(
            "the length of weights param mismatch with ann search requests", expected=len(metrics), actual=len(weights)
        )
    larger_is_better = {metric.larger_is_nearer for metric in metrics}
    if _flag(function.params, "norm_score") or len(larger_is_better) > 1:
        norms = similarities(metrics, normalize=_flag(function.params, "norm_score"))
        return Ranking(WeightedScores(weights, norms, descending=True))
    return Ranking(WeightedScores(weights, (unchanged,) * len(metrics), descending=larger_is_better.pop()))


def _weights(params: Params) -> tuple[float, ...]:
    if "weights" not in params:
        raise MissingParameter("weights not found in rank params")
    listed = _json("weights", params["weights"])
    if not isinstance(listed, list):
        raise InvalidParameter(f"The type of rank param weights should be a list of numbers, got {listed}")
    weights = tuple(_number("rank", "weights", weight) for weight in listed)
    outside = [weight for weight in weights if not 0 <= weight <= 1]
    if outside:
        raise InvalidParameter(f"rank param weight should be in range [0, 1], but got {outside[0]:g}")
    return weights


def _no_inputs(function: RerankFunction) -> None:
    if function.inputs:
        raise InvalidParameter(f"{function.kind} reranker takes no input field, got {len(function.inputs)}")


# --- by a field's value ---


def _decay(function: RerankFunction, setting: Setting) -> Ranking:
    if len(function.inputs) != 1:
        raise InvalidParameter(f"decay reranker requires exactly 1 input field, got {len(function.inputs)}")
    field = _input_field(setting.schema, function.inputs[0])
    if not field.type.is_numeric and field.type is not DataType.TIMESTAMPTZ:
        raise InvalidParameter(f"decay reranker input field {field.name} must be numeric, got {field.type.label}")
    params = function.params
    mode = str(params.get("score_mode", ScoreMode.MAX))
    if mode not in tuple(ScoreMode):
        raise InvalidParameter(f"unsupported score_mode: {mode}, only supports [{', '.join(ScoreMode)}]")
    norms = similarities(setting.metrics, normalize=_flag(params, "norm_score"))
    return Ranking(MergedScores(ScoreMode(mode), norms), (Decayed(field, parse_decay(params)),))


def parse_decay(params: Params) -> Decay:
    """Return the curve that parameters describe; raises InvalidParameter or MissingParameter for what is none."""
    if "function" not in params:
        raise MissingParameter("decay function not specified")
    name = str(params["function"])
    if name not in tuple(DecayFunction):
        raise InvalidParameter(f"invalid decay function: {name}, only supports [{', '.join(DecayFunction)}]")
    for required in ("origin", "scale"):
        if required not in params:
            raise MissingParameter(f"decay {required} not specified")
    origin, scale = (_number("decay", key, params[key]) for key in ("origin", "scale"))
    offset, decay = (
        _number("decay", "offset", params.get("offset", 0)),
        _number("decay", "decay", params.get("decay", 0.5)),
    )
    if scale <= 0:
        raise InvalidParameter(f"decay: scale must be > 0, but got {scale:g}")
    if offset < 0:
        raise InvalidParameter(f"decay: offset must be >= 0, but got {offset:g}")
    if not DECAY_MIN <= decay <= DECAY_MAX:
        raise InvalidParameter(f"decay: decay must be in range [{DECAY_MIN}, {DECAY_MAX}], but got {decay:g}")
    return Decay(DecayFunction(name), origin, scale, offset, decay)


# --- by a model ---


def _model(function: RerankFunction, setting: Setting) -> Ranking:
    if len(function.inputs) != 1:
        raise InvalidParameter(f"model reranker requires exactly 1 input field, got {len(function.inputs)}")
    field = _input_field(setting.schema, function.inputs[0])
    if field.type is not DataType.VARCHAR:
        raise InvalidParameter(f"model reranker input field {field.name} must be VarChar, got {field.type.label}")
    if "queries" not in function.params:
        raise MissingParameter("rerank queries not specified")
    queries = check_queries(function.params["queries"])
    model = open_model({key: value for key, value in function.params.items() if key != "queries"}, setting.models)
    merged = MergedScores(ScoreMode.MAX, similarities(setting.metrics, normalize=False))
    return Ranking(merged, (Judged(field, model, queries),))


def _input_field(schema: Schema, name: str) -> Field:
    field = schema.find(name)
    if field is None:
        raise InvalidParameter(f"input field {name} not found in collection schema")
    return field


# --- boosts ---


def boosted(plan: SearchPlan, manifest: Manifest, rerank: Rerank, request: SearchRequest) -> SearchPlan:
    """Return the plan with the boosts among rerank functions.

    request  brings the filters' template values and time zone
    """
    if not rerank.boosts:
        return plan
    if plan.grouping is not None or request.iteration is not None:
        raise InvalidParameter(ALONE)
    modes = (_mode(rerank.params, "function_mode"), _mode(rerank.params, "boost_mode"))
    bound = tuple(_boost(manifest, function, request) for function in rerank.boosts)
    return replace(plan, scorer=Boosts(bound, *modes, descending=plan.metric.larger_is_nearer))


def _mode(params: Params, key: str) -> BoostMode:
    name = str(params.get(key, BoostMode.MULTIPLY)).lower()
    if name not in tuple(BoostMode):
        raise InvalidParameter(f"unknown {key}: {name}, only supports [{', '.join(BoostMode)}]")
    return BoostMode(name)


def _boost(manifest: Manifest, function: RerankFunction, request: SearchRequest) -> Boost:
    _no_inputs(function)
    if "weight" not in function.params:
        raise MissingParameter("boost weight not specified")
    weight = _number("boost", "weight", function.params["weight"])
    if abs(weight) > FLOAT32_MAX:
        raise InvalidParameter(f"boost weight {weight:g} should be a 32-bit floating-point number")
    text = str(function.params.get("filter", ""))
    where = bind_filter(manifest, text, request.values, request.timezone, plan="boost filter")
    if where.sample is not None:
        raise InvalidParameter("random_sample is not supported in a boost filter")
    if element_filter_of(where.expression) is not None:
        raise InvalidParameter("element_filter is not supported in a boost filter")
    return Boost(weight, where.expression, where.raw_json, _random_score(manifest.schema, function.params))


def _random_score(schema: Schema, params: Params) -> RandomScore | None:
    if "random_score" not in params:
        return None
    asked = _json("random_score", params["random_score"])
    if not isinstance(asked, dict):
        raise InvalidParameter(f"random_score should be a JSON object, got {asked}")
    name, seed = asked.get("field"), asked.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InvalidParameter(f"random_score seed should be an integer, got {seed}")
    if name is None:
        return RandomScore(schema.primary, seed)
    field = _input_field(schema, str(name))
    if field.type is not DataType.INT64:
        raise InvalidParameter(f"random_score field {field.name} must be Int64, got {field.type.label}")
    return RandomScore(field, seed)


# --- values of parameters ---


def _number(of: str, key: str, value: object) -> float:
    try:
        number = float("nan") if isinstance(value, bool) else float(str(value))
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise InvalidParameter(f"{of} param {key}: {value} is not a number")
    return number


def _flag(params: Params, key: str) -> bool:
    return parse_bool(key, params.get(key, False))


def _json(key: str, value: object) -> object:
    """Return a value that may come as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"{key} [{value}] is no JSON: {error}") from None


_KINDS: Final[Mapping[str, Callable[[RerankFunction, Setting], Ranking]]] = {
    "rrf": _reciprocal_ranks,
    "weighted": _weighted,
    "decay": _decay,
    "model": _model,
}
