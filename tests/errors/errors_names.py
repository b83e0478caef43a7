"""4.1 names and databases, and aliases (205)."""

from __future__ import annotations

from errors_stage import DIM, Stage, each, pk, refused, vec
from pymilvus.grpc_gen import milvus_pb2

LONG = "x" * 256


def _named(stage: Stage, name: str) -> None:
    stage.send("DescribeCollection", milvus_pb2.DescribeCollectionRequest(collection_name=name))


@refused(1, 1100, "collection name should not be empty")
def empty_collection_name(stage: Stage) -> None:
    stage.send("HasCollection", milvus_pb2.HasCollectionRequest(collection_name=""))


each(
    2,
    1100,
    (
        "Invalid collection name: 1a. the first character of a collection name must be an underscore or letter",
        lambda stage: stage.client.create_collection("1a", dimension=DIM),
    ),
    ("the first character of a collection name must be an underscore or letter", lambda stage: _named(stage, "$a")),
)
each(
    3,
    1100,
    *(
        (
            "collection name can only contain numbers, letters and underscores",
            lambda stage, name=name: stage.client.create_collection(name, dimension=DIM),
        )
        for name in ("a-b", "a b", "a$", "aé")
    ),
)


@refused(4, 1100, "the length of a collection name must be less than 255 characters")
def long_collection_name(stage: Stage) -> None:
    stage.client.create_collection(LONG, dimension=DIM)


def _alias(stage: Stage, alias: str) -> None:
    stage.send("CreateAlias", milvus_pb2.CreateAliasRequest(collection_name=stage.small, alias=alias))


each(
    5,
    1100,
    (
        "Invalid collection alias: 1a. the first character of a collection alias must be an underscore or letter",
        lambda stage: _alias(stage, "1a"),
    ),
    ("collection alias should not be empty", lambda stage: _alias(stage, "")),
)


def _partition(stage: Stage, name: str) -> None:
    request = milvus_pb2.CreatePartitionRequest(collection_name=stage.small, partition_name=name)
    stage.send("CreatePartition", request)


each(
    6,
    1100,
    ("Invalid partition name: . Partition name should not be empty.", lambda stage: _partition(stage, "")),
)
each(
    7,
    1100,
    (
        "Invalid partition name: $p. The first character of a partition name must be an underscore or letter.",
        lambda stage: _partition(stage, "$p"),
    ),
)
each(
    8,
    1100,
    (
        "Partition name can only contain numbers, letters and underscores.",
        lambda stage: _partition(stage, "p q"),
    ),
)
each(
    9,
    1100,
    ("The length of a partition name must be less than 255 characters.", lambda stage: _partition(stage, LONG)),
)
each(
    10,
    1701,
    (
        "Invalid field name: 1f. The first character of a field name must be an underscore or letter.",
        lambda stage: stage.define(pk(), vec("1f")),
    ),
    (
        "Field name can only contain numbers, letters, and underscores.",
        lambda stage: stage.define(pk(), vec("f-f")),
    ),
    ("field name should not be empty", lambda stage: stage.define(pk(), vec(""))),
    ("field name invalid[field=1f]", lambda stage: stage.define(pk(), vec("1f"))),
)
each(11, 1701, ("like is keyword in milvus.", lambda stage: stage.define(pk(), vec("like"))))
each(
    12,
    1100,
    (
        "Invalid index name: 1i",
        lambda stage: stage.index(stage.bare, "v", "1i", index_type="FLAT", metric_type="L2"),
    ),
)


def _database(stage: Stage, name: str) -> None:
    stage.send("CreateDatabase", milvus_pb2.CreateDatabaseRequest(db_name=name))


each(
    13,
    802,
    ("invalid database name[database=1d]", lambda stage: _database(stage, "1d")),
    ("database name couldn't be empty", lambda stage: _database(stage, "")),
    (
        "the first character of a database name must be an underscore or letter",
        lambda stage: _database(stage, "1d"),
    ),
    ("database name can only contain", lambda stage: _database(stage, "d d")),
    ("the length of a database name must be less than 255 characters", lambda stage: _database(stage, LONG)),
)


@refused(14, 800, "database not found[database=nowhere]")
def unknown_database(stage: Stage) -> None:
    stage.send("HasCollection", milvus_pb2.HasCollectionRequest(db_name="nowhere", collection_name="c"))


@refused(15, 1100, "database already exist: taken")
def existing_database(stage: Stage) -> None:
    if "taken" not in stage.client.list_databases():
        stage.client.create_database("taken")
    stage.client.create_database("taken")


@refused(16, 1100, "database:full not empty, must drop all collections before drop database")
def database_with_collections(stage: Stage) -> None:
    if "full" not in stage.client.list_databases():
        stage.client.create_database("full")
        stage.define(pk(), vec(), db_name="full", name="inside")
    stage.client.drop_database("full")


@refused(17, 1100, "can not drop default database")
def default_database(stage: Stage) -> None:
    stage.client.drop_database("default")


@refused(18, 801, "exceeded the limit number of database[limit=64]")
def too_many_databases(stage: Stage) -> None:
    made = []
    try:
        for _ in range(65):
            name = f"d_{stage.fresh()}"
            stage.client.create_database(name)
            made.append(name)
    finally:
        for name in made:
            stage.client.drop_database(name)


@refused(19, 1100, "alter database with empty properties and delete keys")
def unchanged_database(stage: Stage) -> None:
    stage.send("AlterDatabase", milvus_pb2.AlterDatabaseRequest(db_name="default"))


each(
    20,
    1100,
    (
        "unknown or invalid IANA Time Zone ID: Mars/Base",
        lambda stage: stage.define(pk(), vec(), properties={"timezone": "Mars/Base"}),
    ),
    (
        "unknown or invalid IANA Time Zone ID: Mars/Base",
        lambda stage: stage.client.create_database("mars", properties={"timezone": "Mars/Base"}),
    ),
)


@refused(205, 1600, "alias not found[database=default][alias=nobody]")
def unknown_alias(stage: Stage) -> None:
    stage.client.describe_alias("nobody")


@refused(205, 1600, "alias not found[database=default][alias=nobody]")
def altered_unknown_alias(stage: Stage) -> None:
    stage.client.alter_alias(stage.small, "nobody")


@refused(205, 1602, "alias already exist[database=default][alias=shared]")
def alias_of_another_collection(stage: Stage) -> None:
    stage.client.create_alias(stage.small, "shared")
    stage.client.create_alias(stage.bare, "shared")


@refused(205, 1602, "shared is alias to another collection: ")
def alias_of_another_collection_names_it(stage: Stage) -> None:
    stage.client.create_alias(stage.small, "shared")
    stage.client.create_alias(stage.bare, "shared")


@refused(205, 1601, "alias and collection name conflict[database=default][alias=")
def alias_named_like_a_collection(stage: Stage) -> None:
    stage.client.create_alias(stage.small, stage.bare)
