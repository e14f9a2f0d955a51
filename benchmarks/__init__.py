"""Races against peers, side by side in one run. `make bench` prints ratios; nothing here is asserted in a test."""
