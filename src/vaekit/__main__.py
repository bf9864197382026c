"""`python -m vaekit`, the command where no script is installed."""

from vaekit.cli import main

if __name__ == "__main__":
    main()
