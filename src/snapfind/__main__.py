"""`python -m snapfind` is the command `snapfind`: what torchrun starts on every rank."""

from snapfind.cli import main

if __name__ == "__main__":
    main()
