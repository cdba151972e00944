"""What an author runs: notebooks from `book/`, exercises from `solutions/`, and the checks of both."""
