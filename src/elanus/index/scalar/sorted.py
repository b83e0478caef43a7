"""INVERTED, STL_SORT and Trie: distinct keys in order, the rows of each in a list.

One layout serves all three: binary search finds equality, ranges and prefixes, and patterns are matched against the
distinct keys only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from elanus.index.base import INDEX_KINDS, IndexKind
from elanus.index.scalar.casts import Cast, ScalarBuild
from elanus.index.scalar.keyed import KeyedFiles
from elanus.model.params import Params
from elanus.model.types import DataType

VERSION: Final = 1

INTEGERS: Final = (DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64)
NUMBERS: Final = (*INTEGERS, DataType.FLOAT, DataType.DOUBLE)
ELEMENTS: Final = frozenset({DataType.BOOL, *NUMBERS, DataType.VARCHAR})


def _register(name: str, types: Iterable[DataType], casts: Iterable[Cast], **described: Any) -> None:
    files = KeyedFiles(name, VERSION)
    metrics: Mapping[DataType, tuple[()]] = dict.fromkeys(types, ())
    INDEX_KINDS.register(
        IndexKind(
            name=name,
            family="scalar",
            version=VERSION,
            metrics=metrics,
            build_params=ScalarBuild if DataType.JSON in metrics else Params,
            built=frozenset(metrics),
            engine="sorted values",
            build_scalar=files.build,
            load_scalar=files.load,
            casts=tuple(casts),
            **described,
        )
    )


_register(
    "INVERTED",
    (DataType.BOOL, *NUMBERS, DataType.VARCHAR, DataType.TIMESTAMPTZ, DataType.ARRAY, DataType.JSON),
    Cast,
    elements=ELEMENTS,
    struct_elements=ELEMENTS,
    refusal="INVERTED are not supported on {type} field",
)
_register(
    "STL_SORT",
    (*NUMBERS, DataType.VARCHAR, DataType.TIMESTAMPTZ, DataType.ARRAY, DataType.JSON),
    (Cast.DOUBLE, Cast.VARCHAR),
    struct_elements=frozenset({*NUMBERS, DataType.VARCHAR}),
    mmap=False,
    refusal="STL_SORT are only supported on numeric, varchar or timestamptz field, got {type}",
)
_register(
    "Trie",
    (DataType.VARCHAR,),
    (),
    aliases=("TRIE", "marisa-trie"),
    refusal="TRIE are only supported on varchar field, got {type}",
)
