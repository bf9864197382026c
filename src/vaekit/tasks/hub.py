"""Push and pull: model files on the Hugging Face Hub, or on a server that speaks its language (HF_ENDPOINT).

A repository holds one model, as the file `model.vae`, and a page about it, `README.md`. Who asks is known by the Hub's
own log-in: `hf auth login`, or the variable HF_TOKEN.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vaekit.data.files import atomic_write
from vaekit.errors import MissingExtraError, ModelFileError, ParameterError, ServiceError
from vaekit.storage.header import check_format
from vaekit.storage.tensor_file import checked, read_checked
from vaekit.tasks.model_card import model_card

FILE = "model.vae"  # in every repository
SCHEME = "hf://"


def push(path: str | os.PathLike[str], repo: str, *, private: bool = False, message: str = "") -> str:
    """Put a model file and its card into a repository, and return the address of the commit.

    The repository is made where there is none. In one that is there, the model is replaced, and of the page what
    `vaekit` wrote.

    Parameters
    ----------
    path : path
        The model file.
    repo : str
        OWNER/NAME.
    private : bool
        That only its owner may see it. Refused where the repository is there and public.
    message : str
        What the commit says.

    Raises
    ------
    ModelFileError
        When the file is missing, damaged, of another kind or of a newer format.
    ServiceError
        When the Hub does not answer, or refuses.
    MissingExtraError
        When huggingface_hub is not installed.
    """
    data, header = read_checked(path)
    check_format(header, path)
    with _asking(repo) as api:
        from huggingface_hub import CommitOperationAdd, get_token

        if get_token() is None:
            raise ServiceError("Nobody is logged in to the Hub. Log in with: hf auth login. Or set HF_TOKEN.")
        repo = api.create_repo(repo, private=private or None, exist_ok=True).repo_id
        if private and not api.model_info(repo).private:
            raise ServiceError(f"{repo} is there already, and public. Make it private on its page, or name another.")
        card = model_card(header, repo, _card_of(api, repo))
        files = {FILE: data, "README.md": card.encode()}
        operations = [CommitOperationAdd(name, content) for name, content in files.items()]
        done = api.create_commit(repo, operations, commit_message=message or f"A model of vaekit {header['vaekit']}")
        address: str = done.commit_url
    return address


def pull(source: str, output: str | os.PathLike[str]) -> None:
    """Write the model file of a repository, after checking every byte of it.

    Parameters
    ----------
    source : str
        OWNER/NAME, or OWNER/NAME@REVISION: a branch, a tag or a commit.
    output : path
        Is written atomically.

    Raises
    ------
    ModelFileError
        When what is there is damaged, of another kind or of a newer format.
    ServiceError
        When the Hub does not answer, or refuses.
    OutputError
        When the output cannot be written.
    MissingExtraError
        When huggingface_hub is not installed.
    """
    repo, _, revision = source.partition("@")
    with _asking(repo, revision) as api, tempfile.TemporaryDirectory() as folder:
        api.model_info(repo, revision=revision or None)  # a download would try for half a minute to reach the Hub
        data = Path(api.hf_hub_download(repo, FILE, revision=revision or None, local_dir=folder)).read_bytes()
    name = f"{FILE} of {source}"
    check_format(checked(data, name), name)
    atomic_write(output, data)


def cached(source: str) -> Path:
    """Return where the model file of a repository is in the Hub's own cache, not yet checked; take it where it is not.

    Parameters
    ----------
    source : str
        OWNER/NAME, or OWNER/NAME@REVISION: a branch, a tag or a commit.

    Raises
    ------
    ModelFileError
        When the repository holds no model.
    ServiceError
        When the Hub does not answer and the file is not in the cache, or refuses.
    MissingExtraError
        When huggingface_hub is not installed.
    """
    repo, _, revision = source.partition("@")
    with _asking(repo, revision) as api:
        return Path(api.hf_hub_download(repo, FILE, revision=revision or None))


def _card_of(api: Any, repo: str) -> str | None:
    """Return the page that is there, if there is one."""
    from huggingface_hub.errors import RemoteEntryNotFoundError

    with tempfile.TemporaryDirectory() as folder:
        try:
            return Path(api.hf_hub_download(repo, "README.md", local_dir=folder)).read_text(encoding="utf-8")
        except RemoteEntryNotFoundError:
            return None


@contextmanager
def _asking(repo: str, revision: str = "") -> Iterator[Any]:
    """Lend the Hub's interface, and say in a sentence what it raises."""
    try:
        from huggingface_hub import HfApi, errors
        from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    except ImportError as missing:
        raise MissingExtraError("hub") from missing
    api = HfApi(library_name="vaekit", library_version=version("vaekit"))
    silent = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield api
    except errors.HFValidationError as error:
        raise ParameterError(f"A repository is called OWNER/NAME; got '{repo}'. Name it so.") from error
    except (errors.HTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        raise _refusal(error, errors, api.endpoint, repo, revision) from error
    except (ConnectionError, RuntimeError) as error:  # while a file was sent, by one way or the other
        raise ServiceError(
            f"The file cannot be sent to {api.endpoint}: {_first_line(error.__cause__ or error)} Try again; "
            "HF_HUB_DISABLE_XET=1 sends it another way."
        ) from error
    finally:
        if not silent:
            enable_progress_bars()


def _refusal(error: Exception, errors: Any, endpoint: str, repo: str, revision: str) -> Exception:
    """Return what an error of the Hub means."""
    if isinstance(error, errors.RevisionNotFoundError):
        return ServiceError(
            f"{repo} has no revision '{revision}'. Leave it, or take a branch, tag or commit of its page."
        )
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return ModelFileError(f"{repo} holds no {FILE}. Name a repository that `vaekit push` filled.")
    if isinstance(error, errors.GatedRepoError):
        return ServiceError(f"{repo} is only for those whom its owner lets in. Ask on its page: {endpoint}/{repo}")
    if isinstance(error, errors.RepositoryNotFoundError):
        return ServiceError(
            f"There is no repository {repo} that you may see at {endpoint}. Check the name; where it is private, log "
            "in with: hf auth login"
        )
    status = error.response.status_code if isinstance(error, errors.HfHubHTTPError) else None
    if status == 401:
        return ServiceError(
            f"{endpoint} does not know your token. Log in with: hf auth login. Or set another HF_TOKEN."
        )
    if status == 403:
        return ServiceError(f"Your token may not write to {repo}. Make one with the right to write, or name your own.")
    if status is not None:
        return ServiceError(f"{endpoint} refuses, with status {status}: {_first_line(error)} Try again later.")
    return ServiceError(f"The Hub cannot be reached at {endpoint}. Check the network, and HF_ENDPOINT if it is set.")


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")
