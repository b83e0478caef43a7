"""Arrays of structs in a new collection: numbers, names, sizes, and what clients are shown."""

from __future__ import annotations

import msgspec
import pytest
from pymilvus import CollectionSchema, FieldSchema, StructFieldSchema
from pymilvus import DataType as ClientType
from pymilvus.client.abstract import CollectionSchema as Described
from pymilvus.client.prepare import Prepare
from pymilvus.grpc_gen import milvus_pb2, schema_pb2

from elanus.collection.definition import define, same_definition
from elanus.model.errors import InvalidParameter
from elanus.model.manifest import Manifest
from elanus.model.schema import Schema
from elanus.model.time import Clock
from elanus.model.types import DataType
from elanus.server.grpc.schemas import parse_schema, schema_to
from elanus.storage.manifest import decode_manifest, encode_manifest


def _clip(**options: object) -> StructFieldSchema:
    clip = StructFieldSchema(**options)
    clip.add_field("text", ClientType.VARCHAR, max_length=64)
    clip.add_field("frame", ClientType.INT64, description="number of the frame")
    clip.add_field("emb", ClientType.FLOAT_VECTOR, dim=8)
    return clip


def _declared(
    *, nullable: bool = False, dynamic: bool = True, capacity: int = 5, **options: object
) -> CollectionSchema:
    fields = [FieldSchema("id", ClientType.INT64, is_primary=True), FieldSchema("v", ClientType.FLOAT_VECTOR, dim=4)]
    schema = CollectionSchema(fields, enable_dynamic_field=dynamic)
    schema.add_field(
        "clips",
        ClientType.ARRAY,
        element_type=ClientType.STRUCT,
        struct_schema=_clip(),
        max_capacity=capacity,
        nullable=nullable,
        description="parts of the film",
        **options,
    )
    return schema


def _parsed(declared: CollectionSchema) -> Schema:
    return parse_schema(Prepare.create_collection_request("c", declared).schema)[1]


def _made(declared: CollectionSchema) -> Manifest:
    return define("c", _parsed(declared), clock=Clock(lambda _: None))


def test_structs_are_numbered_behind_the_dynamic_field_each_before_its_sub_fields() -> None:
    manifest = _made(_declared())
    assert [(field.name, field.id) for field in manifest.schema] == [
        ("id", 100),
        ("v", 101),
        ("$meta", 102),
        ("clips[text]", 104),
        ("clips[frame]", 105),
        ("clips[emb]", 106),
    ]
    assert [(struct.name, struct.id) for struct in manifest.schema.structs] == [("clips", 103)]
    assert manifest.next_field == 107


@pytest.mark.parametrize("nullable", [False, True])
def test_sub_fields_are_lists_with_the_struct_s_capacity_and_nulls(nullable: bool) -> None:
    schema = _made(_declared(nullable=nullable)).schema
    text, frame, emb = schema.sub_fields(schema.structs[0])
    assert (text.type, text.element_type, text.max_length, text.max_capacity) == (
        DataType.ARRAY,
        DataType.VARCHAR,
        64,
        5,
    )
    assert (frame.type, frame.element_type, frame.description) == (
        DataType.ARRAY,
        DataType.INT64,
        "number of the frame",
    )
    assert (emb.type, emb.element_type, emb.dim) == (DataType.ARRAY_OF_VECTOR, DataType.FLOAT_VECTOR, 8)
    assert {field.nullable for field in (text, frame, emb)} == {nullable} == {schema.structs[0].nullable}
    assert (emb.sub_name, emb.element.type, emb.element.row_bytes) == ("emb", DataType.FLOAT_VECTOR, 32)


def test_user_fields_and_vectors_leave_sub_fields_out() -> None:
    schema = _made(_declared()).schema
    assert [field.name for field in schema.user_fields] == ["id", "v"]
    assert [field.name for field in schema.vectors] == ["v"]
    assert schema.find("clips") is None
    assert schema.find_struct("clips") == schema.structs[0]
    assert schema.find_struct("id") is None


def test_vectors_of_structs_are_vectors_enough_for_a_collection() -> None:
    declared = CollectionSchema([FieldSchema("id", ClientType.INT64, is_primary=True)])
    declared.add_field("s", ClientType.ARRAY, element_type=ClientType.STRUCT, struct_schema=_clip(), max_capacity=2)
    assert _made(declared).schema.vectors == ()


def test_clients_are_shown_what_they_declared_without_the_prefix() -> None:
    message = schema_to("c", _made(_declared(nullable=True)).schema)
    (struct,) = message.struct_array_fields
    assert [field.name for field in struct.fields] == ["text", "frame", "emb"]
    assert [field.fieldID for field in struct.fields] == [104, 105, 106]
    sent = schema_pb2.CollectionSchema.FromString(message.SerializeToString())
    shown = Described(milvus_pb2.DescribeCollectionResponse(schema=sent)).dict()
    again = CollectionSchema.construct_from_dict(shown)
    assert same_definition(_made(again), _made(_declared(nullable=True)))


def test_parameters_of_a_struct_are_kept_and_checked() -> None:
    message = schema_to("c", _made(_declared(mmap_enabled=True, warmup="sync")).schema)
    shown = {pair.key: pair.value for pair in message.struct_array_fields[0].type_params}
    assert shown == {"mmap.enabled": "true", "warmup": "sync"}
    with pytest.raises(InvalidParameter, match="warmup"):
        _made(_declared(warmup="whenever"))


def test_creating_again_with_other_structs_is_another_definition() -> None:
    one = _made(_declared())
    assert same_definition(one, _made(_declared()))
    assert not same_definition(one, _made(_declared(nullable=True)))
    assert not same_definition(one, _made(_declared(capacity=6)))


def test_manifests_keep_structs_and_those_written_without_any_still_open() -> None:
    manifest = _made(_declared(nullable=True))
    assert decode_manifest(encode_manifest(manifest), "m").schema == manifest.schema
    plain = define("c", Schema(_parsed(_declared()).user_fields), clock=Clock(lambda _: None))
    body = msgspec.to_builtins(plain)
    del body["schema"]["structs"]
    for field in body["schema"]["fields"]:
        del field["struct"]
    assert msgspec.convert(body, Manifest) == plain
