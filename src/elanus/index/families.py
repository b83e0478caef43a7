"""The vector families: which data types go together, under which metrics, the default first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from elanus.model.types import DataType, Metric

FLOATS: Final = (DataType.FLOAT_VECTOR, DataType.FLOAT16_VECTOR, DataType.BFLOAT16_VECTOR)

FLOAT_METRICS: Final = (Metric.COSINE, Metric.L2, Metric.IP)
BINARY_METRICS: Final = (Metric.HAMMING, Metric.JACCARD)
SPARSE_METRICS: Final = (Metric.IP,)

FLOAT_FAMILY: Final[Mapping[DataType, tuple[Metric, ...]]] = dict.fromkeys(FLOATS, FLOAT_METRICS)
INT8_FAMILY: Final[Mapping[DataType, tuple[Metric, ...]]] = {DataType.INT8_VECTOR: FLOAT_METRICS}
BINARY_FAMILY: Final[Mapping[DataType, tuple[Metric, ...]]] = {DataType.BINARY_VECTOR: BINARY_METRICS}
SPARSE_FAMILY: Final[Mapping[DataType, tuple[Metric, ...]]] = {DataType.SPARSE_FLOAT_VECTOR: SPARSE_METRICS}
