import errno
import os
import stat
from contextlib import contextmanager
from pathlib import Path

import pytest

from vaekit.data.files import atomic_path, atomic_write, check_writable
from vaekit.errors import OutputError


def full_disk(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


def forbidden(*arguments):
    raise PermissionError(errno.EACCES, "Permission denied")


def write_half_and_die(target: Path, death: type[BaseException]):
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"half of the n")
        raise death


@contextmanager
def leaving_as_it_was(target: Path, content: bytes = b"old"):
    target.write_bytes(content)
    yield
    assert target.read_bytes() == content
    assert os.listdir(target.parent) == [target.name]


def test_writes_a_new_file_and_nothing_else(tmp_path):
    atomic_write(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_old_file_stays_until_the_block_ends(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"


def test_the_temporary_file_is_a_sibling_with_the_same_suffix(tmp_path):
    with atomic_path(tmp_path / "a.npy") as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".npy"


@pytest.mark.parametrize("death", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_writer_that_dies_midway_leaves_the_old_file(tmp_path, death):
    target = tmp_path / "a.bin"
    with leaving_as_it_was(target), pytest.raises(death):
        write_half_and_die(target, death)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, step):
    monkeypatch.setattr(os, step, full_disk)
    target = tmp_path / "a.bin"
    said = r"a\.bin cannot be written: No space left on device; free some space"
    with leaving_as_it_was(target), pytest.raises(OutputError, match=said):
        atomic_write(target, b"new")


def test_a_device_is_written_to_and_stays_a_device():
    with pytest.raises(OutputError, match="/dev/full cannot be written: No space left on device"):
        atomic_write("/dev/full", b"new")
    atomic_write("/dev/null", b"new")
    check_writable("/dev/null")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_folder_that_cannot_be_synced_loses_nothing(tmp_path, monkeypatch):
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: full_disk() if stat.S_ISDIR(os.fstat(fd).st_mode) else sync(fd))
    atomic_write(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_a_link_goes_on_pointing_to_its_file(tmp_path):
    real, link = tmp_path / "real.bin", tmp_path / "link.bin"
    real.write_bytes(b"old")
    link.symlink_to(real)
    atomic_write(link, b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


def test_permissions_are_the_old_files_or_the_usual_ones(tmp_path):
    old, new, usual = tmp_path / "old.bin", tmp_path / "new.bin", tmp_path / "usual.bin"
    old.write_bytes(b"old")
    old.chmod(0o640)
    usual.touch()
    atomic_write(old, b"new")
    atomic_write(new, b"new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert new.stat().st_mode == usual.stat().st_mode


def test_the_longest_file_name_can_be_written(tmp_path):
    atomic_write(tmp_path / ("a" * 251 + ".bin"), b"new")
    assert len(os.listdir(tmp_path)) == 1


def test_check_writable_leaves_no_trace(tmp_path):
    check_writable(tmp_path / "a.vae")
    assert os.listdir(tmp_path) == []
    with leaving_as_it_was(tmp_path / "a.vae"):
        check_writable(tmp_path / "a.vae")


@pytest.mark.parametrize("judge", [check_writable, lambda path: atomic_write(path, b"new")])
class TestRefuses:
    def test_a_folder(self, tmp_path, judge):
        with pytest.raises(OutputError, match="is a folder; name a file in it"):
            judge(tmp_path)

    def test_a_missing_folder(self, tmp_path, judge):
        with pytest.raises(OutputError, match=r"no does not exist; create it first: mkdir -p .*no$"):
            judge(tmp_path / "no" / "a.vae")

    def test_a_file_in_place_of_the_folder(self, tmp_path, judge):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match="file does not exist"):
            judge(tmp_path / "file" / "a.vae")

    def test_a_read_only_file(self, tmp_path, judge, monkeypatch):
        monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
        target = tmp_path / "a.vae"
        with leaving_as_it_was(target), pytest.raises(OutputError, match=r"a\.vae is read-only; choose"):
            judge(target)

    def test_a_folder_that_takes_no_files(self, tmp_path, judge, monkeypatch):
        monkeypatch.setattr(os, "open", forbidden)
        with pytest.raises(OutputError, match="Permission denied; choose a folder you may write to"):
            judge(tmp_path / "a.vae")

    def test_a_name_that_is_too_long(self, tmp_path, judge):
        with pytest.raises(OutputError, match="too long; choose another path"):
            judge(tmp_path / ("a" * 300))
