"""Closed enums of the data model, numbered as Milvus numbers them on the wire."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class DataType(IntEnum):
    """Type of a field or of an array's elements."""

    NONE = 0
    BOOL = 1
    INT8 = 2
    INT16 = 3
    INT32 = 4
    INT64 = 5
    FLOAT = 10
    DOUBLE = 11
    STRING = 20
    VARCHAR = 21
    ARRAY = 22
    JSON = 23
    GEOMETRY = 24
    TEXT = 25
    TIMESTAMPTZ = 26
    MOL = 27
    DATE = 28
    TIME = 29
    DECIMAL = 30
    BINARY_VECTOR = 100
    FLOAT_VECTOR = 101
    FLOAT16_VECTOR = 102
    BFLOAT16_VECTOR = 103
    SPARSE_FLOAT_VECTOR = 104
    INT8_VECTOR = 105
    ARRAY_OF_VECTOR = 106
    ARRAY_OF_STRUCT = 200
    STRUCT = 201

    @property
    def label(self) -> str:
        """The type's name as Milvus prints it in messages, such as ``VarChar``."""
        return _LABELS[self]

    @property
    def is_vector(self) -> bool:
        """Whether values are searched by distance (dense, binary or sparse)."""
        return DataType.BINARY_VECTOR <= self <= DataType.ARRAY_OF_VECTOR

    @property
    def is_dense_vector(self) -> bool:
        """Whether values are vectors of a fixed width."""
        return self in DENSE_VECTORS

    @property
    def is_integer(self) -> bool:
        """Whether values are signed integers."""
        return self in INTEGER_RANGES

    @property
    def is_floating(self) -> bool:
        """Whether values are FLOAT or DOUBLE."""
        return self in (DataType.FLOAT, DataType.DOUBLE)

    @property
    def is_numeric(self) -> bool:
        """Whether values are integers or floating-point numbers."""
        return self.is_integer or self.is_floating


_LABELS = {
    DataType.NONE: "None",
    DataType.BOOL: "Bool",
    DataType.INT8: "Int8",
    DataType.INT16: "Int16",
    DataType.INT32: "Int32",
    DataType.INT64: "Int64",
    DataType.FLOAT: "Float",
    DataType.DOUBLE: "Double",
    DataType.STRING: "String",
    DataType.VARCHAR: "VarChar",
    DataType.ARRAY: "Array",
    DataType.JSON: "JSON",
    DataType.GEOMETRY: "Geometry",
    DataType.TEXT: "Text",
    DataType.TIMESTAMPTZ: "Timestamptz",
    DataType.MOL: "Mol",
    DataType.DATE: "Date",
    DataType.TIME: "Time",
    DataType.DECIMAL: "Decimal",
    DataType.BINARY_VECTOR: "BinaryVector",
    DataType.FLOAT_VECTOR: "FloatVector",
    DataType.FLOAT16_VECTOR: "Float16Vector",
    DataType.BFLOAT16_VECTOR: "BFloat16Vector",
    DataType.SPARSE_FLOAT_VECTOR: "SparseFloatVector",
    DataType.INT8_VECTOR: "Int8Vector",
    DataType.ARRAY_OF_VECTOR: "ArrayOfVector",
    DataType.ARRAY_OF_STRUCT: "ArrayOfStruct",
    DataType.STRUCT: "Struct",
}

INTEGER_RANGES = {
    DataType.INT8: (-(2**7), 2**7 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
}

DENSE_VECTORS = frozenset(
    {
        DataType.BINARY_VECTOR,
        DataType.FLOAT_VECTOR,
        DataType.FLOAT16_VECTOR,
        DataType.BFLOAT16_VECTOR,
        DataType.INT8_VECTOR,
    }
)

ARRAY_ELEMENTS = frozenset(
    {
        DataType.BOOL,
        DataType.INT8,
        DataType.INT16,
        DataType.INT32,
        DataType.INT64,
        DataType.FLOAT,
        DataType.DOUBLE,
        DataType.VARCHAR,
    }
)


class Metric(StrEnum):
    """How near two vectors are, or of MAX_SIM a list of vectors and a row's list.

    Inside, a distance is float32 and smaller is nearer, whatever the metric.
    """

    L2 = "L2"
    IP = "IP"
    COSINE = "COSINE"
    HAMMING = "HAMMING"
    JACCARD = "JACCARD"
    MAX_SIM_L2 = "MAX_SIM_L2"
    MAX_SIM_IP = "MAX_SIM_IP"
    MAX_SIM_COSINE = "MAX_SIM_COSINE"
    MAX_SIM_HAMMING = "MAX_SIM_HAMMING"
    MAX_SIM_JACCARD = "MAX_SIM_JACCARD"

    @property
    def larger_is_nearer(self) -> bool:
        """Whether users see a similarity (IP, COSINE), the negative of the inner distance."""
        return self in _SIMILARITIES

    @property
    def is_of_lists(self) -> bool:
        """Whether it compares lists of vectors: the sum over one list of the distance to the nearest in the other."""
        return self in _OF_LISTS

    @property
    def of_vectors(self) -> Metric:
        """The metric of two vectors that one of lists sums up; any other is its own."""
        return _OF_LISTS.get(self, self)

    @property
    def of_lists(self) -> Metric:
        """The metric of lists that sums this one up; KeyError where there is none."""
        return _TO_LISTS[self]


_SIMILARITIES = (Metric.IP, Metric.COSINE, Metric.MAX_SIM_IP, Metric.MAX_SIM_COSINE)
_OF_LISTS = {
    Metric.MAX_SIM_L2: Metric.L2,
    Metric.MAX_SIM_IP: Metric.IP,
    Metric.MAX_SIM_COSINE: Metric.COSINE,
    Metric.MAX_SIM_HAMMING: Metric.HAMMING,
    Metric.MAX_SIM_JACCARD: Metric.JACCARD,
}
_TO_LISTS = {vectors: lists for lists, vectors in _OF_LISTS.items()}

METRIC_ALIASES = {"MAX_SIM": Metric.MAX_SIM_COSINE}
"""Other names that users may write."""


class Level(IntEnum):
    """Consistency level of a read."""

    STRONG = 0
    SESSION = 1
    BOUNDED = 2
    EVENTUALLY = 3
    CUSTOMIZED = 4


class IndexState(IntEnum):
    """How far an index is built."""

    NONE = 0
    UNISSUED = 1
    IN_PROGRESS = 2
    FINISHED = 3
    FAILED = 4


class LoadState(IntEnum):
    """Whether a collection or partition can be read."""

    NOT_EXIST = 0
    NOT_LOADED = 1
    LOADING = 2
    LOADED = 3
