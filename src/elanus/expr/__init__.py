"""The filter language: ``parse`` text, ``bind`` it to a schema, ``select`` the rows. Pure: it knows no segment."""

from elanus.expr.analysis import always_true, keys_filter, possible_values, primary_key_values, sampled
from elanus.expr.binder import bind
from elanus.expr.binding.scope import TemplateValue
from elanus.expr.bound import BoundExpr, Operand
from elanus.expr.evaluation import structs as _structs  # noqa: F401 - registers rules that build on ``select``
from elanus.expr.evaluation.json_values import JsonValues, extract_json
from elanus.expr.evaluation.select import select
from elanus.expr.evaluation.source import Answer, BatchSource, LeafIndex, RawJson, Source
from elanus.expr.evaluation.trace import SKIPPED, Step
from elanus.expr.evaluation.truth import Truth
from elanus.expr.nodes import Filter
from elanus.expr.parser import parse

__all__ = [
    "SKIPPED",
    "Answer",
    "BatchSource",
    "BoundExpr",
    "Filter",
    "JsonValues",
    "LeafIndex",
    "Operand",
    "RawJson",
    "Source",
    "Step",
    "TemplateValue",
    "Truth",
    "always_true",
    "bind",
    "extract_json",
    "keys_filter",
    "parse",
    "possible_values",
    "primary_key_values",
    "sampled",
    "select",
]
