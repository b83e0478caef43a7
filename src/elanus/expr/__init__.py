"""The filter language: ``parse`` text, ``bind`` it to a schema, ``select`` the rows. Pure: it knows no segment."""

from elanus.expr.analysis import always_true, primary_key_values
from elanus.expr.binder import bind
from elanus.expr.binding.scope import TemplateValue
from elanus.expr.bound import BoundExpr
from elanus.expr.evaluation.json_values import JsonValues, extract_json
from elanus.expr.evaluation.select import select
from elanus.expr.evaluation.source import BatchSource, Source
from elanus.expr.nodes import Filter
from elanus.expr.parser import parse

__all__ = [
    "BatchSource",
    "BoundExpr",
    "Filter",
    "JsonValues",
    "Source",
    "TemplateValue",
    "always_true",
    "bind",
    "extract_json",
    "parse",
    "primary_key_values",
    "select",
]
