"""What `make bench` runs, each against its peers in one run."""
