"""What can go wrong, as a tree.

VaekitError
├── ParameterError      a setting is outside its rule                    (also ValueError)
├── DataError           the data are not what the schema asks for        (also ValueError)
│   └── SourceError     a file or stream cannot be read as data          (also ValueError)
├── OutputError         a result cannot be written where it was wanted   (also OSError)
├── ModelFileError      a .vae file is damaged, foreign or too new       (also ValueError)
├── CodecError          an archive is damaged, foreign, too new, or for another model   (also ValueError)
├── ClusterError        other machines cannot do the work                (also RuntimeError)
├── TrainingError       the run cannot go on                             (also RuntimeError)
├── ServiceError        a tracker or a hub does not answer, or refuses   (also OSError)
└── MissingExtraError   an optional dependency is not installed          (also ImportError)

Every message is one sentence or two: subject, rule, value got, next step.
"""


class VaekitError(Exception):
    """Anything this package raises on purpose."""


class ParameterError(VaekitError, ValueError):
    """A setting is outside its rule."""


class DataError(VaekitError, ValueError):
    """The data are not what the schema asks for."""


class SourceError(DataError):
    """A file or stream cannot be read as data."""


class OutputError(VaekitError, OSError):
    """A result cannot be written where it was wanted."""


class ModelFileError(VaekitError, ValueError):
    """A model file is damaged, foreign or too new."""


class CodecError(VaekitError, ValueError):
    """An archive is damaged, foreign, too new, or made with another model."""


class ClusterError(VaekitError, RuntimeError):
    """A cluster cannot be reached, or does not do the work."""


class TrainingError(VaekitError, RuntimeError):
    """The run cannot go on."""


class ServiceError(VaekitError, OSError):
    """A tracker or a hub does not answer, or refuses."""


class MissingExtraError(VaekitError, ImportError):
    """An optional dependency is not installed.

    Parameters
    ----------
    extra : str
        The name of the extra that brings the dependency.
    """

    def __init__(self, extra: str) -> None:
        super().__init__(f"This needs the extra '{extra}'. Install it with: pip install 'vaekit[{extra}]'")
