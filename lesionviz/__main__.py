"""``python -m lesionviz`` is the command line; ``torchrun -m lesionviz train ...`` starts it on several processes."""

import sys

from lesionviz.cli import main

if __name__ == "__main__":
    sys.exit(main())
