"""``python -m slipway`` is the command ``slipway``."""

from slipway.serve import main

if __name__ == "__main__":
    main()
