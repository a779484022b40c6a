"""``python -m canids``: what ``canids`` does, for torchrun and others that start modules."""

from canids.cli import main

main()
