"""BITMAP and AUTOINDEX over scalars: a bitmap for each of a few distinct values, sorted values where there are many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from elanus.index.base import INDEX_KINDS, IndexKind
from elanus.index.scalar.casts import Cast, ScalarBuild
from elanus.index.scalar.keyed import KeyedFiles
from elanus.index.scalar.sorted import ELEMENTS, INTEGERS, NUMBERS
from elanus.model.params import param
from elanus.model.types import DataType

AUTOINDEX: Final = "AUTOINDEX"
VERSION: Final = 1

MOST_BITMAPS: Final = 128
"""With more values than that, bitmaps take more than four times the room of lists and are no quicker."""

COUNTED: Final = frozenset({DataType.BOOL, *INTEGERS, DataType.VARCHAR})


@dataclass(frozen=True)
class BitmapBuild(ScalarBuild):
    """How a bitmap index is built.

    bitmap_cardinality_limit  AUTOINDEX keeps bitmaps when there are fewer distinct values; BITMAP up to 128 of them
    """

    bitmap_cardinality_limit: int = param(100, low=1, high=1000)


def _always_few(_params: BitmapBuild) -> int:
    return MOST_BITMAPS


def _below_limit(params: BitmapBuild) -> int:
    return params.bitmap_cardinality_limit - 1


_BITMAP: Final = KeyedFiles("BITMAP", VERSION, _always_few)
_AUTO: Final = KeyedFiles(AUTOINDEX, VERSION, _below_limit)

INDEX_KINDS.register(
    IndexKind(
        name="BITMAP",
        family="scalar",
        version=VERSION,
        metrics=dict.fromkeys((DataType.BOOL, *INTEGERS, DataType.VARCHAR, DataType.ARRAY, DataType.JSON), ()),
        build_params=BitmapBuild,
        built=frozenset({*COUNTED, DataType.ARRAY, DataType.JSON}),
        engine="bitmaps, sorted values where there are many",
        build_scalar=_BITMAP.build,
        load_scalar=_BITMAP.load,
        elements=COUNTED,
        struct_elements=COUNTED,
        casts=(Cast.BOOL, Cast.VARCHAR),
        primary_keys=False,
        refusal="bitmap index are only supported on bool, int, string and array field, got {type}",
    )
)

SCALARS: Final = (DataType.BOOL, *NUMBERS, DataType.VARCHAR, DataType.ARRAY, DataType.JSON)

INDEX_KINDS.register(
    IndexKind(
        name=AUTOINDEX,
        family="scalar",
        version=VERSION,
        metrics=dict.fromkeys(SCALARS, ()),
        build_params=BitmapBuild,
        built=frozenset(SCALARS),
        engine="bitmaps or sorted values, by the number of distinct ones",
        build_scalar=_AUTO.build,
        load_scalar=_AUTO.load,
        elements=ELEMENTS,
        struct_elements=ELEMENTS,
        casts=(Cast.BOOL, Cast.DOUBLE, Cast.VARCHAR, Cast.JSON),
    )
)
