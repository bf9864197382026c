"""The command: each verb translates its words, calls the library, and writes what it answers."""

from vaekit.cli.app import main

__all__ = ["main"]
