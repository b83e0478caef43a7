"""The catalogue of refused input: a registry of cases by number, and the collections that they are tried on."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

DIM = 4
Call = Callable[["Stage"], object]


class Refusal(Exception):
    """A reply with a status that says no, as a raw stub sees it."""

    def __init__(self, status: Any) -> None:
        super().__init__(status.reason)
        self.code = status.code
        self.status = status


@dataclass(frozen=True)
class Case:
    """One way to be refused.

    number  of the row in the catalogue of errors
    phrase  what clients look for in the message
    """

    number: int
    code: int
    phrase: str
    call: Call
    what: str


CASES: list[Case] = []


def refused(number: int, code: int, phrase: str) -> Callable[[Call], Call]:
    """Register the decorated call as a case; it may be stacked only once."""

    def register(call: Call) -> Call:
        CASES.append(Case(number, code, phrase, call, call.__name__))
        return call

    return register


def each(number: int, code: int, *cases: tuple[str, Call]) -> None:
    """Register several short calls of one row, each with its phrase."""
    for place, (phrase, call) in enumerate(cases):
        CASES.append(Case(number, code, phrase, call, f"{number}.{place}"))


# --- requests that pymilvus itself would stop ---


def field_schema(name: str, kind: DataType, **options: Any) -> Any:
    """Return a FieldSchema message; ``params`` are its type parameters."""
    params = options.pop("params", {})
    element = options.pop("element_type", DataType.NONE)
    return schema_pb2.FieldSchema(
        name=name,
        data_type=int(kind),
        element_type=int(element),
        type_params=[common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in params.items()],
        **options,
    )


def pk(kind: DataType = DataType.INT64, **options: Any) -> Any:
    """Return the primary key ``id``."""
    params = {"max_length": 16} if kind is DataType.VARCHAR else {}
    return field_schema("id", kind, is_primary_key=True, params=params, **options)


def vec(name: str = "v", dim: int = DIM) -> Any:
    """Return a float vector field."""
    return field_schema(name, DataType.FLOAT_VECTOR, params={"dim": dim})


@dataclass
class Stage:
    """A server, a client, a raw stub, and collections made on first use."""

    uri: str
    client: MilvusClient
    channel: grpc.Channel
    stub: Any
    made: dict[str, str] = field(default_factory=dict)
    numbers: Any = field(default_factory=itertools.count)

    @classmethod
    def on(cls, target: str, client: MilvusClient) -> Stage:
        channel = grpc.insecure_channel(target, options=[("grpc.max_send_message_length", -1)])
        return cls(f"http://{target}", client, channel, milvus_pb2_grpc.MilvusServiceStub(channel))

    def fresh(self) -> str:
        """Return a name that nothing has."""
        return f"e{next(self.numbers)}"

    # --- raw calls ---

    def send(self, method: str, request: Any) -> Any:
        """Call an RPC and return its reply; Refusal when its status says no."""
        reply = getattr(self.stub, method)(request)
        status = reply if isinstance(reply, common_pb2.Status) else reply.status
        if status.code or status.error_code:
            raise Refusal(status)
        return reply

    def send_bytes(self, method: str, reply: Any, body: bytes) -> Any:
        """Send bytes that no message would serialise to."""
        call = self.channel.unary_unary(
            f"/milvus.proto.milvus.MilvusService/{method}", lambda raw: raw, reply.FromString
        )
        answer = call(body)
        if answer.status.code:
            raise Refusal(answer.status)
        return answer

    def define(self, *fields: Any, **options: Any) -> None:
        """Send a CreateCollection with these fields."""
        name = options.pop("name", None) or self.fresh()
        schema = schema_pb2.CollectionSchema(
            name=name,
            fields=fields,
            struct_array_fields=options.pop("structs", ()),
            enable_dynamic_field=options.pop("dynamic", False),
            description=options.pop("description", ""),
        )
        properties = options.pop("properties", {})
        pairs = [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in properties.items()]
        request = milvus_pb2.CreateCollectionRequest(
            collection_name=name, schema=schema.SerializeToString(), properties=pairs, **options
        )
        self.send("CreateCollection", request)

    def insert(self, collection: str, *columns: Any, num_rows: int = 1, upsert: bool = False, **options: Any) -> None:
        """Send columns as they are."""
        kind = milvus_pb2.UpsertRequest if upsert else milvus_pb2.InsertRequest
        request = kind(collection_name=collection, fields_data=columns, num_rows=num_rows, **options)
        self.send("Upsert" if upsert else "Insert", request)

    def index(self, collection: str, field_name: str, index_name: str = "", **params: Any) -> None:
        """Send a CreateIndex with these parameters."""
        pairs = [common_pb2.KeyValuePair(key=key, value=str(value)) for key, value in params.items()]
        request = milvus_pb2.CreateIndexRequest(
            collection_name=collection, field_name=field_name, index_name=index_name, extra_params=pairs
        )
        self.send("CreateIndex", request)

    def search(self, **options: Any) -> Any:
        """Search the collection ``plain``; options override what pymilvus is given."""
        given: dict[str, Any] = {"data": [[0.0] * DIM], "anns_field": "v", "limit": 3} | options
        return self.client.search(given.pop("collection_name", self.plain), **given)

    def query(self, where: str, **options: Any) -> Any:
        """Query the collection ``plain``."""
        return self.client.query(self.plain, where, **options)

    # --- collections ---

    @property
    def plain(self) -> str:
        """Return a loaded collection with a field of each scalar type and two vectors; three rows are in it."""
        return self._once("plain", self._make_plain)

    def _make_plain(self, name: str) -> None:
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("flag", DataType.BOOL)
        schema.add_field("i8", DataType.INT8)
        schema.add_field("n", DataType.INT64)
        schema.add_field("f", DataType.DOUBLE)
        schema.add_field("s", DataType.VARCHAR, max_length=8)
        schema.add_field("j", DataType.JSON)
        schema.add_field("a", DataType.ARRAY, element_type=DataType.INT64, max_capacity=3)
        schema.add_field("t", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=3, max_length=4)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
        schema.add_field("w", DataType.FLOAT_VECTOR, dim=DIM)
        params = self.client.prepare_index_params()
        params.add_index("v", index_type="HNSW", metric_type="L2", params={"M": 8, "efConstruction": 32})
        params.add_index("w", index_type="FLAT", metric_type="IP")
        self.client.create_collection(name, schema=schema, index_params=params)
        self.client.insert(name, [self.row(number) for number in range(3)])

    def row(self, number: int, **changes: Any) -> dict[str, Any]:
        """Return a row that ``plain`` takes."""
        values: dict[str, Any] = {
            "id": number,
            "flag": True,
            "i8": 1,
            "n": number,
            "f": 0.5,
            "s": "text",
            "j": {"x": 1},
            "a": [1],
            "t": ["x"],
            "v": [float(number)] * DIM,
            "w": [1.0] * DIM,
        }
        return values | changes

    @property
    def small(self) -> str:
        """Return a loaded collection of a key, a VARCHAR(8) ``s`` and a vector; for raw inserts."""
        return self._once("small", lambda name: self._make(name, "s"))

    @property
    def dynamic(self) -> str:
        """Return a loaded collection with the dynamic field and a declared field ``s``."""
        return self._once("dynamic", lambda name: self._make(name, "s", enable_dynamic_field=True))

    @property
    def keyed(self) -> str:
        """Return a loaded collection with the partition key ``s``."""
        return self._once("keyed", lambda name: self._make(name, "s", partition_key_field="s"))

    @property
    def auto(self) -> str:
        """Return a loaded collection with automatic keys."""
        return self._once("auto", lambda name: self._make(name, auto_id=True))

    @property
    def bare(self) -> str:
        """Return a collection without any index."""
        return self._once("bare", lambda name: self._make(name, "s", indexed=False))

    @property
    def released(self) -> str:
        """Return a collection that is indexed but not loaded."""

        def make(name: str) -> None:
            self._make(name)
            self.client.release_collection(name)

        return self._once("released", make)

    def unindexed(self) -> str:
        """Return a new collection with every vector type and no index."""
        name = self.fresh()
        schema = self.client.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
        schema.add_field("b", DataType.BINARY_VECTOR, dim=8)
        schema.add_field("z", DataType.SPARSE_FLOAT_VECTOR)
        schema.add_field("e", DataType.INT8_VECTOR, dim=DIM)
        schema.add_field("s", DataType.VARCHAR, max_length=8)
        schema.add_field("n", DataType.INT64)
        schema.add_field("f", DataType.DOUBLE)
        schema.add_field("j", DataType.JSON)
        self.client.create_collection(name, schema=schema)
        return name

    def _make(self, name: str, *texts: str, auto_id: bool = False, indexed: bool = True, **options: Any) -> None:
        schema = self.client.create_schema(auto_id=auto_id, **options)
        schema.add_field("id", DataType.INT64, is_primary=True)
        for text in texts:
            schema.add_field(text, DataType.VARCHAR, max_length=8)
        schema.add_field("v", DataType.FLOAT_VECTOR, dim=DIM)
        params = None
        if indexed:
            params = self.client.prepare_index_params()
            params.add_index("v", index_type="FLAT", metric_type="L2")
        self.client.create_collection(name, schema=schema, index_params=params)

    def _once(self, key: str, make: Callable[[str], None]) -> str:
        """Return the name of a collection that ``make`` makes on first use."""
        if key not in self.made:
            name = self.fresh()
            make(name)
            self.made[key] = name
        return self.made[key]


def numbers_of(cases: Iterable[Case]) -> set[int]:
    """Return the rows that some cases cover."""
    return {case.number for case in cases}
