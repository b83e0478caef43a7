"""XGBoost models, read from UBJ files and evaluated over columns without the xgboost library."""

from elanus.functions.xgboost.model import TreeModel, load_model

__all__ = ["TreeModel", "load_model"]
