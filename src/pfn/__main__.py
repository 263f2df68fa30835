"""``pfn``, and ``python -m pfn``.

The command line is loaded when it is run and not before: a process that judges zips loads this module too, as the main
one of whoever started it.
"""


def main() -> None:
    """Run the command line."""
    from pfn.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
