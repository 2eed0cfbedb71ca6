"""Damages a results store: each is one thing that disks, programs and people do to files, or a foreign program writes.

Every damage changes something that a reader relies on, by how it is made: bytes that a digest is of, the name or the
place of a file, or a value that the contract (docs/results-store.md) has no room for. White space in a manifest is no
damage, and neither is a run whose manifest was written anew with other values that a run can have.
"""

import json
import os
import random
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.results.schema.request_rows import REQUESTS_SCHEMA

_RUN_ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_STEERING = "\x1b]0;x\x07\u202e \x00"
_NEW_ID = "01KZ0000000000000000000000"


@dataclass(frozen=True)
class Damage:
    """`names`: a reader is to name one of them, runs and paths. `hurt`: the runs that it may leave out.

    `in_rows`: only who reads the rows can see it, so a reader of one run is to name it if it is asked for that one.
    """

    kind: str
    names: frozenset[str]
    hurt: frozenset[str]
    in_rows: bool


# What is changed, and whether the runs that it is of stay healthy.
Changed = tuple[list[Path], bool]


def damage(folder: Path, number: int, bomb: Path) -> Damage:
    """Do the damage of this number; the kinds come in turn. `bomb` is a small Parquet file of very many rows."""
    rng = random.Random(number)  # noqa: S311 - nothing secret
    do = KINDS[number % len(KINDS)]
    changed, is_healthy = do(folder, rng, bomb)
    shown = [os.fsencode(path.relative_to(folder)).decode("utf-8", "replace") for path in changed]
    ids = {found for path in shown for found in _RUN_ID.findall(path)} - {_NEW_ID}
    below = (file for path in changed for file in _files(folder) if file.is_relative_to(path))
    hurt = ids or {found for each in below for found in _ids(each)}
    named = {re.split(r"[^ -~]", path)[0] for path in shown}
    kept = frozenset() if is_healthy else frozenset(hurt)
    return Damage(do.__name__.strip("_"), frozenset(named | ids), kept, do in _IN_ROWS)


def write_bomb(path: Path, rows: int) -> None:
    """A small Parquet file of this many millions of rows: its footer names the same row group again and again."""
    count = 1_000_000
    values = {True: ["step-1"] * count, False: np.ones(count, dtype=np.int64)}
    columns = {
        field.name: pa.array(values[True])
        if pa.types.is_string(field.type)
        else pa.array(values[False]).cast(field.type)
        for field in REQUESTS_SCHEMA
    }
    once, footer = pa.BufferOutputStream(), pa.BufferOutputStream()
    pq.write_table(pa.table(columns, schema=REQUESTS_SCHEMA), once, compression="zstd", row_group_size=count)
    content = once.getvalue().to_pybytes()
    again = pq.read_metadata(pa.BufferReader(content))
    group = pq.read_metadata(pa.BufferReader(content))
    for _ in range(rows // count - 1):
        again.append_row_groups(group)
    again.write_metadata_file(footer)
    # The footer, its length in four bytes, and `PAR1`: https://parquet.apache.org/docs/file-format/.
    footer_bytes = int.from_bytes(content[-8:-4], "little") + 8
    path.write_bytes(content[:-footer_bytes] + footer.getvalue().to_pybytes()[4:])


def _ids(path: Path) -> list[str]:
    return _RUN_ID.findall(str(path))


def _files(folder: Path, part: str = "") -> list[Path]:
    """The files of one of the three parts of a store, or all."""
    return sorted(path for path in (folder / part).rglob("*") if path.is_file())


def _any(folder: Path, rng: random.Random, part: str = "") -> Path:
    return rng.choice(_files(folder, part))


def _folder(folder: Path, rng: random.Random) -> Path:
    """The folder of a stack or of a run."""
    return rng.choice(sorted(path for path in folder.rglob("*=*") if path.is_dir()))


# Bytes.


def _flip_a_bit(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    content = bytearray(path.read_bytes())
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    return [path], False


def _zero_a_block(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    content = bytearray(path.read_bytes())
    begin = rng.randrange(len(content) - 1)
    # A block of zeros may be there already.
    content[begin : begin + 512] = bytes(0x41 if each == 0 else 0 for each in content[begin : begin + 512])
    path.write_bytes(content)
    return [path], False


def _cut(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    content = path.read_bytes().rstrip()
    path.write_bytes(content[: rng.randrange(len(content))])
    return [path], False


def _empty(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    path.write_bytes(b"")
    return [path], False


def _append(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    path.write_bytes(path.read_bytes() + rng.randbytes(100))
    return [path], False


def _not_text(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng, "runs")
    content = path.read_bytes()
    at = rng.randrange(len(content))
    path.write_bytes(content[:at] + b"\xff\xfe\xe4" + content[at:])
    return [path], False


def _another_encoding(folder: Path, rng: random.Random, _: Path) -> Changed:
    """Of text that is not the one that was written."""
    path = _any(folder, rng, "runs")
    path.write_bytes(path.read_text(encoding="utf-8").replace('"nodes": ', '"nodes": 1').encode("utf-16"))
    return [path], False


def _nested_deeply(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng, "runs")
    depth = rng.choice((500, 900, 990, 100_000))
    path.write_text('{"run_id":' + "[" * depth + "]" * depth + "}")
    return [path], False


def _another_json(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng, "runs")
    path.write_text(rng.choice(("[]", "null", "{}", '"text"', "1e999", "NaN", "{" * 50, '{"run_id": 7}', "\ufeff[1]")))
    return [path], False


# Names and places.


def _delete(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    path.unlink()
    return [path], False


def _delete_rows(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng, "requests").parent
    shutil.rmtree(path)
    return [path], False


def _rename(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    target = path.with_name(rng.choice((f"{path.name}.bak", f"{path.name.lower()}x", f"copy of {path.name}")))
    path.rename(target)
    return [path, target], False


def _rename_a_folder(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _folder(folder, rng)
    ids = [found for file in _files(folder) if file.is_relative_to(path) for found in _ids(file)]
    path.rename(path.with_name(rng.choice((f"{path.name}.bak", "stack=other", f"run_id={_NEW_ID}"))))
    return [path, *(folder / each for each in ids)], False


def _move_to_another_run(folder: Path, rng: random.Random, _: Path) -> Changed:
    path, other = _two_runs(folder, rng)
    target = other.with_name(f"part-w7{path.suffix}") if path.suffix == ".parquet" else other.with_suffix(".old")
    path.rename(target)
    return [path, target], False


def _copy(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    name = "part-w7.parquet" if path.suffix == ".parquet" else f"{_NEW_ID}.json"
    target = rng.choice((path.with_name(name), path.with_name(f"{path.stem} (1){path.suffix}")))
    shutil.copy(path, target)
    return [target], True


def _copy_to_another_stack(folder: Path, rng: random.Random, _: Path) -> Changed:
    """The whole run, whose manifest names its own stack."""
    path = _any(folder, rng, "runs")
    changed = []
    for part in ("runs", "requests", "samples"):
        for file in _files(folder, part):
            if path.stem in str(file):
                target = folder / part / "stack=other" / file.relative_to(folder / part / path.parent.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
                changed.append(target)
    return changed, True


def _copy_over_another(folder: Path, rng: random.Random, _: Path) -> Changed:
    path, other = _two_runs(folder, rng)
    shutil.copy(path, other)
    return [other], False


def _swap(folder: Path, rng: random.Random, _: Path) -> Changed:
    path, other = _two_runs(folder, rng)
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)
    return [path, other], False


def _two_runs(folder: Path, rng: random.Random) -> tuple[Path, Path]:
    """Files of two runs in the same part of the store, whose contents differ."""
    path = _any(folder, rng)
    content = path.read_bytes()
    part = folder / path.relative_to(folder).parts[0]
    others = [file for file in _files(part) if _ids(file) != _ids(path) and file.read_bytes() != content]
    return (path, rng.choice(others)) if others else _two_runs(folder, rng)


def _junk(folder: Path, rng: random.Random, _: Path) -> Changed:
    names = (
        b"notes.txt", b".DS_Store", b"a\nskipped: nothing", b"\xff\xfe.json", b"x" * 200, b"\x1b[2J.json",
        "\u202ename.parquet".encode(), b"part-w0.parquet.0a1b2c3d.half-written",
    )  # fmt: skip
    path = Path(os.fsdecode(os.fsencode(_any(folder, rng).parent) + b"/" + rng.choice(names)))
    path.write_bytes(b"hello")
    return [path], True


# What the system says of a file.


def _no_permission(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = rng.choice((_any(folder, rng), _folder(folder, rng), _any(folder, rng).parent))
    below = [file for file in _files(folder) if file.is_relative_to(path)]
    path.chmod(0)
    return [path, *below], False


def _not_searchable(folder: Path, rng: random.Random, _: Path) -> Changed:
    """Names can be listed, and no file can be opened."""
    path = _folder(folder, rng)
    below = [file for file in _files(folder) if file.is_relative_to(path)]
    path.chmod(0o444)
    return [path, *below], False


def _link_to_nothing(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    path.unlink()
    path.symlink_to(folder / "gone")
    return [path], False


def _link_to_itself(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    path.unlink()
    path.symlink_to(path)
    return [path], False


def _link_to_the_folder_above(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _folder(folder, rng) / "loop"
    path.symlink_to(path.parent.parent)
    return [path], True


def _pipe(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    path.unlink()
    os.mkfifo(path)
    return [path], False


def _folder_instead_of_a_file(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng)
    path.unlink()
    path.mkdir()
    return [path], False


# Values: edited, and the digest stays.


def _other_value(folder: Path, rng: random.Random, _: Path) -> Changed:
    return _edited(folder, rng, lambda _, value: _other(rng, value))


def _no_number(folder: Path, rng: random.Random, _: Path) -> Changed:
    return _edited(folder, rng, lambda _key, _value: rng.choice((float("nan"), float("inf"), 10**400, -1, 1e308)))


def _other_type(folder: Path, rng: random.Random, _: Path) -> Changed:
    return _edited(folder, rng, lambda _, value: [value] if rng.random() < 0.5 else {"": value})


def _control_characters(folder: Path, rng: random.Random, _: Path) -> Changed:
    return _edited(folder, rng, lambda _, value: f"{value}{rng.choice((_STEERING, chr(10), chr(0xD800)))}")


def _without_a_key(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng, "runs")
    content = json.loads(path.read_text())
    del content[rng.choice(sorted(content))]
    path.write_text(json.dumps(content))
    return [path], False


def _without_digests(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng, "runs")
    content = json.loads(path.read_text())
    for key in rng.choice((("sha256",), ("files",), ("sha256", "files"))):
        content.pop(key)
    path.write_text(json.dumps(content))
    return [path], False


def _edited(folder: Path, rng: random.Random, change: Callable[[Any, Any], Any]) -> Changed:
    """One value that is no object and no list."""
    path = _any(folder, rng, "runs")
    content = json.loads(path.read_text())
    at, key = rng.choice(list(_leaves(content)))
    at[key] = change(key, at[key])
    path.write_text(json.dumps(content))
    return [path], False


def _leaves(content: Any) -> "list[tuple[Any, Any]]":  # noqa: ANN401 - any JSON
    found: list[tuple[Any, Any]] = []
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        found += _leaves(value) if isinstance(value, dict | list) and value else [(content, key)]
    return found


def _other(rng: random.Random, value: object) -> object:
    """A value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + rng.choice((1, 0.5, 1000))
    return f"{value}x" if isinstance(value, str) else "x"


# Values of a foreign program, whose digests are right.


def _foreign_text(folder: Path, rng: random.Random, _: Path) -> Changed:
    def write(content: dict[str, Any]) -> None:
        texts = [(at, key) for at, key in _leaves(content) if isinstance(at[key], str)]
        at, key = rng.choice([*texts, (content["cost"], "currency"), (content["cost"]["line_items"][0], "name")])
        at[key] = f"{at[key]}{rng.choice((_STEERING, chr(10), chr(0x85), chr(0x2028)))}"

    return _foreign(folder, rng, write)


def _foreign_search(folder: Path, rng: random.Random, _: Path) -> Changed:
    """One without a step that is near its capacity."""

    def write(content: dict[str, Any]) -> None:
        steps = [step | {"arrivals": None, "meets": None} for step in content["capacity"]["steps"]]
        content["capacity"]["steps"] = rng.choice(([], steps))

    return _foreign(folder, rng, write, only="capacity")


def _foreign_number(folder: Path, rng: random.Random, _: Path) -> Changed:
    def write(content: dict[str, Any]) -> None:
        at, key, values = rng.choice(
            (
                (content["cost"], "hourly", (-1, 1e300)),
                (content["cost"]["line_items"][0], "quantity", (-5, 1e200)),
                (content["serving"], "replicas", (0, 10**12)),
                (content["shape"], "vcpus", (0, -8, 10**30)),
                (content["shape"], "memory_gb", (0, -16, 1e300)),
                (content["shape"], "nodes", (0, 10**30)),
                (content["generator"], "cpu_peak_percent", (-1, 1e300)),
                (content["generator"], "processes", (0, 10**30)),
            )
        )
        at[key] = rng.choice(values)

    return _foreign(folder, rng, write)


def _foreign_time(folder: Path, rng: random.Random, _: Path) -> Changed:
    def write(content: dict[str, Any]) -> None:
        times = ("2026-11-20T09:30:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "-1", "1e300")
        content[rng.choice(("started_at", "finished_at"))] = rng.choice(times)

    return _foreign(folder, rng, write)


def _same_id_in_two_stacks(folder: Path, rng: random.Random, bomb: Path) -> Changed:
    changed, _ = _copy_to_another_stack(folder, rng, bomb)
    manifest = next(path for path in changed if path.suffix == ".json")
    content = json.loads(manifest.read_text())
    _write(manifest, content | {"stack": "other"})
    return [manifest], False


def _bomb(folder: Path, rng: random.Random, bomb: Path) -> Changed:
    """A small file of very many rows, which its manifest names or does not."""
    path = _any(folder, rng, "requests")
    shutil.copy(bomb, path)
    if rng.random() < 0.5:
        _name_again(folder, path)
    return [path], False


def _foreign_labels(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng, "requests")
    column = rng.choice(("error", "backend", "phase"))
    at = pq.read_schema(path).get_field_index(column)
    rows = pq.read_table(path, partitioning=None)
    names = (_STEERING, "a\nb", *(["many"] if column != "phase" else []))
    if (name := rng.choice(names)) == "many":
        values = [f"{column}-{number * 1_000_003}" for number in range(rows.num_rows)]
        rows = pa.concat_tables([rows.set_column(at, rows.schema.field(at), pa.array(values))] * 5)
        repeated = [f"{column}-{number}" for number in range(rows.num_rows)]
        rows = rows.set_column(at, rows.schema.field(at), pa.array(repeated))
    else:
        rows = rows.set_column(at, rows.schema.field(at), pa.array([name] * rows.num_rows))
    pq.write_table(rows, path)
    _name_again(folder, path)
    return [path], False


def _foreign_times_of_rows(folder: Path, rng: random.Random, _: Path) -> Changed:
    path = _any(folder, rng, "requests")
    rows = pq.read_table(path, partitioning=None)
    column = rng.choice(("intended_start", "start", "latency_us"))
    values = rows[column].cast(pa.int64()).to_pylist()
    values[rng.randrange(len(values))] = rng.choice((-(2**62), 2**62, 10**17))
    at = rows.schema.get_field_index(column)
    field = rows.schema.field(at)
    pq.write_table(rows.set_column(at, field, pa.array(values, pa.int64()).cast(field.type)), path)
    _name_again(folder, path)
    return [path], False


def _foreign(
    folder: Path, rng: random.Random, write: Callable[[dict[str, Any]], None], only: str = "run_id"
) -> Changed:
    """Change the manifest of a run that has `only`, and write its digest anew."""
    path = rng.choice([file for file in _files(folder, "runs") if json.loads(file.read_text())[only]])
    content = json.loads(path.read_text())
    write(content)
    _write(path, content)
    return [path], False


def _name_again(folder: Path, file: Path) -> None:
    """Let the manifest of the run name the file as it is now."""
    [run_id] = _ids(file)
    [path] = [file for file in _files(folder, "runs") if file.stem == run_id]
    content = json.loads(path.read_text())
    [named] = [each for each in content["files"] if each["name"] == file.name]
    named |= {"rows": pq.read_metadata(file).num_rows, "sha256": sha256(file.read_bytes()).hexdigest()}
    _write(path, content)


def _write(path: Path, content: dict[str, Any]) -> None:
    """The manifest with its digest, as docs/results-store.md says."""
    content = {key: value for key, value in content.items() if key != "sha256"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    path.write_text(json.dumps(content | {"sha256": sha256(canonical.encode()).hexdigest()}))


KINDS: tuple[Callable[[Path, random.Random, Path], Changed], ...] = (
    _flip_a_bit, _zero_a_block, _cut, _empty, _append, _not_text, _another_encoding, _nested_deeply, _another_json,
    _delete, _delete_rows, _rename, _rename_a_folder, _move_to_another_run, _copy, _copy_to_another_stack,
    _copy_over_another, _swap, _junk, _no_permission, _not_searchable, _link_to_nothing, _link_to_itself,
    _link_to_the_folder_above, _pipe, _folder_instead_of_a_file, _other_value, _no_number, _other_type,
    _control_characters, _without_a_key, _without_digests, _foreign_text, _foreign_search, _foreign_number,
    _foreign_time, _same_id_in_two_stacks, _bomb, _foreign_labels, _foreign_times_of_rows,
)  # fmt: skip
_IN_ROWS = (_foreign_labels, _foreign_times_of_rows)
