"""Measurements that anyone can repeat: `make bench`. Executed instructions on the simulated CPU, and bytes."""
