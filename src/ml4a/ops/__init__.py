"""Pure tensor functions that several networks and models need."""
