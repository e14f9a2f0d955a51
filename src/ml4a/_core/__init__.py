"""What every layer stands on: errors, parameters, progress, devices, records, files, limits."""
