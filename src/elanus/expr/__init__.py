"""The filter language: ``parse`` text, ``bind`` it to a schema, ``select`` the rows. Pure: it knows no segment."""

from elanus.expr.analysis import always_true, primary_key_values
from elanus.expr.binder import bind
from elanus.expr.binding.scope import TemplateValue
from elanus.expr.bound import BoundExpr, Operand
from elanus.expr.evaluation.json_values import JsonValues, extract_json
from elanus.expr.evaluation.select import select
from elanus.expr.evaluation.source import BatchSource, Fit, LeafIndex, Source
from elanus.expr.evaluation.trace import Step
from elanus.expr.evaluation.truth import Truth
from elanus.expr.nodes import Filter
from elanus.expr.parser import parse

__all__ = [
    "BatchSource",
    "BoundExpr",
    "Filter",
    "Fit",
    "JsonValues",
    "LeafIndex",
    "Operand",
    "Source",
    "Step",
    "TemplateValue",
    "Truth",
    "always_true",
    "bind",
    "extract_json",
    "parse",
    "primary_key_values",
    "select",
]
