"""`python -m vserver`."""

from vserver.main import main

if __name__ == "__main__":
    main()
