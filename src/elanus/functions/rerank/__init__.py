"""Rerank models: services that say how well texts answer a query.

``open_model`` checks a function's parameters, ``model_scores`` asks the service.
"""

from elanus.functions.rerank import providers as _providers  # noqa: F401 - registers them
from elanus.functions.rerank.model import RerankModel, check_queries, model_scores, open_model

__all__ = ["RerankModel", "check_queries", "model_scores", "open_model"]
