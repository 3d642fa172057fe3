"""What every process is made of, whatever it serves: socket, workers, logs, rounds."""
