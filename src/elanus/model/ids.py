"""Identifiers, each its own type, so that a segment's id can't be passed for a collection's."""

from typing import NewType

DatabaseId = NewType("DatabaseId", int)
CollectionId = NewType("CollectionId", int)
PartitionId = NewType("PartitionId", int)
SegmentId = NewType("SegmentId", int)
FieldId = NewType("FieldId", int)
IndexId = NewType("IndexId", int)
