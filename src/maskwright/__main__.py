"""`python -m maskwright`: the same as the command `maskwright`."""

from maskwright.cli.main import main

if __name__ == "__main__":
    main()
